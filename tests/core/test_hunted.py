"""What a hunt for faults found, each beside what PyTorch does."""

import io
import os
import threading

import numpy as np
import pytest

import rushlight as rl

torch = pytest.importorskip("torch", reason="the tests beside PyTorch need it")


def test_saving_to_a_link_keeps_the_link(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    link.symlink_to(target)
    for value in 1, 2:  # the first time the link names nothing yet
        rl.save({"x": rl.tensor(value)}, link)
        assert link.is_symlink()
        assert rl.load(target)["x"].item() == value


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_saving_to_a_pipe_writes_to_it(tmp_path):
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()), daemon=True)
    reader.start()
    rl.save({"x": rl.tensor(1)}, pipe)
    reader.join(10)
    assert pipe.is_fifo()
    assert rl.load(io.BytesIO(read[0]))["x"].item() == 1


@pytest.mark.parametrize("key", ["\ud800", np.int64(3), np.float32(0.5), np.bool(True)], ids=repr)
def test_a_state_is_saved_under_any_key(tmp_path, key):
    rl.save({key: rl.tensor(1)}, tmp_path / "state")
    assert rl.load(tmp_path / "state")[key].item() == 1


def test_a_file_of_text_is_refused():
    with pytest.raises(rl.ContractError, match=r"^save: f is a StringIO; give a path or a file of"):
        rl.save({}, io.StringIO())
    with pytest.raises(rl.ContractError, match=r"^load: f is a StringIO; give a path or a file of"):
        rl.load(io.StringIO())
