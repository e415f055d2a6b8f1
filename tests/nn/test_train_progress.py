"""What `rushlight train` shows while it trains, where there is no terminal."""

import logging
from types import SimpleNamespace

import pytest

pytest.importorskip("tqdm", reason="the progress bar is tqdm's")

from rushlight_nn.train.progress import Progress

TRAINER = SimpleNamespace(records=[], tally=SimpleNamespace(seen=0), epochs=2)


def test_what_a_device_logs_is_a_line_while_the_bar_is_there(capsys):
    logger = logging.getLogger("rushlight.somewhere")
    with Progress(TRAINER, 10):
        logger.warning("compiling: %.1f s", 2.5)
    during = capsys.readouterr()
    assert during.err == "rushlight: compiling: 2.5 s\n"
    assert not during.out
    assert logging.getLogger("rushlight").handlers == []


def test_a_line_that_says_whose_it_is_says_so_once(capsys):
    with Progress(TRAINER, 10):
        logging.getLogger("rushlight.numba").warning("rushlight: compiling: %.1f s", 2.5)
    assert capsys.readouterr().err == "rushlight: compiling: 2.5 s\n"
