"""The command `rushlight`: devices, errors in one line, subcommands of plug-ins in isolation."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from rushlight import cli
from rushlight.errors import BackendUnavailable, ContractError, DeviceError


def install(
    site: Path, distribution: str, entry: str, module: str | None, source: str = ""
) -> None:
    """A distribution in a folder of sys.path, with one entry point of the group rushlight.cli."""
    info = site / f"{distribution.replace('-', '_')}-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 0.1\n")
    target = module or "planted_but_absent"
    (info / "entry_points.txt").write_text(f"[rushlight.cli]\n{entry} = {target}\n")
    if module:
        (site / f"{module}.py").write_text(dedent(source))


GOOD = """
    from rushlight.cli import Command
    from rushlight.extend import hookimpl

    @hookimpl
    def rushlight_commands():
        return [Command("greet", "say hello", arguments, run)]

    def arguments(parser):
        parser.add_argument("name")

    def run(arguments):
        print("hello", arguments.name)
        return 7
"""


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("planted_")]:
        del sys.modules[name]


def test_version(capsys):
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--version"])
    assert capsys.readouterr().out.startswith("rushlight 0.")


def test_devices_as_a_table(capsys):
    assert cli.main(["devices"]) == 0
    head, first, *_ = capsys.readouterr().out.splitlines()
    assert head.split() == ["BACKEND", "DEVICES", "FROM"]
    assert first.split()[:2] == ["numpy", "numpy"]


def test_devices_as_json(capsys):
    assert cli.main(["devices", "--json"]) == 0
    first, *_ = json.loads(capsys.readouterr().out)
    assert first["name"] == "numpy"
    assert first["available"] is True
    assert first["reason"] is None


def test_an_unavailable_backend_is_listed_with_its_reason(monkeypatch, capsys):
    broken = cli.DeviceInfo("abacus", False, "backend abacus: no beads", 0, "x-abacus", "1.0", {})
    monkeypatch.setattr(cli, "devices", lambda: [broken])
    assert cli.main(["devices"]) == 0
    assert capsys.readouterr().out.splitlines()[1] == (
        "abacus   -        x-abacus 1.0  backend abacus: no beads"
    )


def test_a_backend_provided_twice_is_listed_with_each_package_and_its_version(monkeypatch, capsys):
    twice = cli.DeviceInfo(
        "numpy", False, "provided twice", 0, "fake-numpy and rushlight", "0.1 and 0.1.0", {}
    )
    monkeypatch.setattr(cli, "devices", lambda: [twice])
    assert cli.main(["devices"]) == 0
    assert capsys.readouterr().out.splitlines()[1] == (
        "numpy    -        fake-numpy 0.1 and rushlight 0.1.0  provided twice"
    )


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "the following arguments are required: COMMAND; see `rushlight --help`"),
        (
            ["devices", "--wrong"],
            "unrecognized arguments: --wrong; see `rushlight --help`",
        ),
        (
            ["devices", "--json=1"],
            ("argument --json: ignored explicit argument '1'; see `rushlight devices --help`"),
        ),
    ],
)
def test_arguments_that_are_wrong_are_one_line(words, sentence, capsys):
    assert cli.main(words) == 2
    assert capsys.readouterr() == ("", f"rushlight: {sentence}\n")


def test_a_plug_in_adds_a_subcommand(site, capsys):
    install(site, "planted-good", "greet", "planted_good", GOOD)
    assert cli.main(["greet", "you"]) == 7
    assert capsys.readouterr() == ("hello you\n", "")


BROKEN = {
    "import": (
        "import a_library_that_is_not_there",
        (
            "planted-import 0.1 failed to import (ModuleNotFoundError: No module named "
            "'a_library_that_is_not_there'); repair it or uninstall it"
        ),
    ),
    "exits": (
        "raise SystemExit('not on this machine')",
        (
            "planted-exits 0.1 failed to import (SystemExit: not on this machine); "
            "repair it or uninstall it"
        ),
    ),
    "raises": (
        """
        from rushlight.extend import hookimpl

        @hookimpl
        def rushlight_commands():
            raise ValueError("nonsense")
        """,
        (
            "rushlight_commands of planted-raises 0.1 raised (ValueError: nonsense); "
            "report it to its authors"
        ),
    ),
    "unmarked": (
        "def rushlight_commands(): return []",
        (
            "planted-unmarked 0.1 has no hook rushlight_commands; "
            "mark it with rushlight.extend.hookimpl"
        ),
    ),
    "wrong": (
        """
        from rushlight.extend import hookimpl

        @hookimpl
        def rushlight_commands():
            return ["greet"]
        """,
        (
            "rushlight_commands of planted-wrong 0.1 returned no list of rushlight.cli.Command; "
            "report it to its authors"
        ),
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_plug_in_costs_one_sentence_and_disturbs_nobody(kind, site, capsys):
    source, sentence = BROKEN[kind]
    install(site, f"planted-{kind}", kind, f"planted_{kind}", source)
    install(site, "planted-good", "greet", "planted_good", GOOD)
    assert cli.main(["greet", "you"]) == 7
    out, err = capsys.readouterr()
    assert out == "hello you\n"
    assert err == f"rushlight: commands {kind}: {sentence}\n"


def test_a_subcommand_provided_twice_is_refused_by_name(site, capsys):
    install(site, "planted-one", "one", "planted_one", GOOD)
    install(site, "planted-two", "two", "planted_two", GOOD)
    assert cli.main(["greet", "you"]) == 2
    err = capsys.readouterr().err
    sentences = [line for line in err.splitlines() if "provided twice" in line]
    assert len(sentences) == 1
    assert sentences[0].startswith("rushlight: command greet: provided twice, by planted-")
    assert cli.main(["devices"]) == 0


def test_a_subcommand_cannot_take_the_name_of_rushlights_own(site, capsys):
    install(site, "planted-thief", "x", "planted_thief", GOOD.replace('"greet"', '"devices"'))
    assert cli.main(["devices", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)
    assert err == (
        "rushlight: command devices: rushlight's own; planted-thief 0.1 must name its otherwise\n"
    )


def test_arguments_that_cannot_be_stated_are_the_plug_ins_fault(site, capsys):
    source = GOOD.replace('add_argument("name")', 'add_argument("--a", "b")')
    install(site, "planted-args", "greet", "planted_args", source)
    assert cli.main(["greet"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("rushlight: command greet: its arguments cannot be stated (ValueError: ")


def command(monkeypatch, run):
    monkeypatch.setattr(cli, "OWN", (cli.Command("job", "", lambda parser: None, run),))


def raising(error):
    def run(arguments: argparse.Namespace) -> int:
        raise error

    return run


def test_an_error_of_rushlight_is_one_line(monkeypatch, capsys):
    command(monkeypatch, raising(ContractError("job: this\n  and that; do better")))
    assert cli.main(["job"]) == 2
    assert capsys.readouterr() == ("", "rushlight: job: this and that; do better\n")


def test_an_interrupt_is_one_line(monkeypatch, capsys):
    command(monkeypatch, raising(KeyboardInterrupt()))
    assert cli.main(["job"]) == 130
    assert capsys.readouterr().err == "rushlight: interrupted\n"


def test_a_defect_keeps_its_traceback(monkeypatch):
    command(monkeypatch, raising(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        cli.main(["job"])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="what takes nothing is Linux's")
@pytest.mark.parametrize("buffered", ["", "1"], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize("words", [["devices"], ["devices", "--json"]], ids=["table", "json"])
def test_a_full_output_is_one_line(words, buffered):
    program = "import sys; from rushlight import cli; sys.exit(cli.main(sys.argv[1:]))"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", program, *words],
            stdout=full, stderr=subprocess.PIPE, check=False,
            env={**os.environ, "PYTHONUNBUFFERED": buffered},
        )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == (
        b"rushlight: standard output: No space left on device; write to another place\n"
    )


def test_a_reader_that_leaves_is_no_error():
    program = (
        "import sys; from rushlight import cli; "
        "cli.OWN = (cli.Command('job', '', lambda p: None, "
        "lambda a: [print('x' * 99) for _ in range(9999)] and 0),); "
        "sys.exit(cli.main(['job']))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with process:
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("nowhere", BackendUnavailable, "backend nowhere: not installed"),
        ("numpy:9", DeviceError, "device: 'numpy:9'"),
        ("a b", DeviceError, "device: 'a b'"),
    ],
)
def test_a_device_that_is_not_there_says_why_and_what_is(name, kind, said):
    with pytest.raises(kind) as caught:
        cli.chosen_device(name)
    assert str(caught.value).startswith(said)
    assert "; devices here: numpy" in str(caught.value)


def test_a_device_that_is_there():
    assert cli.chosen_device("numpy").name == "numpy"
    assert cli.chosen_device(None) is not None
