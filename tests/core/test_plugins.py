"""A broken plug-in gives one sentence, and disturbs nobody."""

import importlib
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from textwrap import dedent

import pytest

from rushlight import plugins
from rushlight.backend import PROTOCOL
from rushlight.device import Device, devices
from rushlight.errors import BackendUnavailable
from rushlight.testing.plugin import assert_plugin, fresh_plugins

PLANTED = Path(__file__).parent / "planted"
MAJOR, MINOR = PROTOCOL

# What a user reads, whole.
SENTENCES = {
    "import_error": (
        "rushlight-import-error 0.1 failed to import (ModuleNotFoundError: No module named "
        "'a_library_that_is_not_there'); repair it or uninstall it"
    ),
    "raising_hook": (
        "rushlight_backend of rushlight-raising-hook 0.1 raised (ValueError: the driver answered "
        "with nonsense); report it to its authors"
    ),
    "raising_probe": (
        "rushlight_probe of rushlight-raising-probe 0.1 raised (KeyError: 'device'); "
        "report it to its authors"
    ),
    "no_hardware": "no abacus is connected; plug one in",
    "empty_probe": (
        "rushlight_probe of rushlight-empty-probe 0.1 returned '', no sentence; "
        "report it to its authors"
    ),
    "number_probe": (
        "rushlight_probe of rushlight-number-probe 0.1 returned 5, no sentence; "
        "report it to its authors"
    ),
    "text_count": (
        "count of rushlight-text-count 0.1 returned '2', no integer; report it to its authors"
    ),
    "wrong_protocol": (
        f"rushlight-wrong-protocol 0.1 is written for protocol 2.0, this rushlight speaks "
        f"{MAJOR}.{MINOR}; run: pip install --upgrade rushlight"
    ),
    "duplicate": (
        "provided twice, by rushlight-duplicate 0.1 and another-duplicate 0.1; "
        "uninstall one of them"
    ),
    "missing_kernels": (
        "rushlight-missing-kernels 0.1 has no kernel for matmul, sum; upgrade it or add them"
    ),
    "exits": (
        "rushlight-exits 0.1 failed to import (SystemExit: this machine is not supported); "
        "repair it or uninstall it"
    ),
    "not_a_backend": (
        "rushlight_backend of rushlight-not-a-backend 0.1 returned int, "
        "no rushlight.extend.Backend; report it to its authors"
    ),
    "misnamed": (
        "rushlight-misnamed 0.1 returned a backend named 'somebody'; "
        "make its name equal to that of its entry point"
    ),
    "unmarked": (
        "rushlight-unmarked 0.1 has no hook rushlight_backend; "
        "mark it with rushlight.extend.hookimpl"
    ),
    "misspelt": (
        "rushlight-misspelt 0.1 states its hooks wrongly (PluginValidationError: unknown hook "
        "'rushlight_prob' in plugin <module 'planted_misspelt' from "
        "'{site}/planted_misspelt.py'>); report it to its authors"
    ),
    "incomplete": (
        "the backend of rushlight-incomplete 0.1 has no protocol; report it to its authors"
    ),
    "raising_table": (
        "kernels of the backend of rushlight-raising-table 0.1 raised (OSError: no compiler); "
        "report it to its authors"
    ),
    "without_devices": "rushlight-without-devices 0.1 finds no device on this machine",
    "eager_asker": (
        "rushlight-eager-asker 0.1 failed to import (BackendUnavailable: backend eager_asker: "
        "asked for itself while it was loading; ask later than at import); "
        "repair it or uninstall it"
    ),
}
SIX = [
    "import_error",
    "raising_hook",
    "no_hardware",
    "wrong_protocol",
    "duplicate",
    "missing_kernels",
]


def install(folder: Path, name: str, distribution: str = "", entry: str = "") -> None:
    """Write a distribution with the planted module of this name, as pip would leave it."""
    distribution = distribution or f"rushlight-{name.replace('_', '-')}"
    module = "good" if name == "duplicate" else name
    (folder / f"planted_{module}.py").write_text((PLANTED / f"{module}.py").read_text())
    info = folder / f"{distribution.replace('-', '_')}-0.1.dist-info"
    info.mkdir()
    info.joinpath("METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 0.1\n"
    )
    entry = entry or f"{name} = planted_{module}"
    info.joinpath("entry_points.txt").write_text(f"[rushlight.backends]\n{entry}\n")
    if name == "duplicate" and distribution != "another-duplicate":
        install(folder, name, "another-duplicate")


def printed(program: str) -> list[str]:
    """The lines that a program prints in a process of its own, without a warning."""
    command = [sys.executable, "-W", "error", "-c", dedent(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder of installed distributions, still empty; no backend was loaded yet."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(tmp_path)
    with fresh_plugins():
        yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith("planted_"):
            del sys.modules[name]
    importlib.invalidate_caches()


@pytest.mark.parametrize("name", SENTENCES)
def test_a_broken_plugin_gives_one_sentence_and_disturbs_nobody(site, name):
    install(site, name)
    install(site, "good")
    with pytest.raises(BackendUnavailable) as caught:
        Device(name)
    assert str(caught.value) == f"backend {name}: {SENTENCES[name]}".replace("{site}", str(site))
    assert Device("good").backend.name == "good"
    assert Device("numpy").backend.name == "numpy"


@pytest.mark.parametrize("name", SENTENCES)
def test_a_failure_is_remembered_with_its_cause(site, name, monkeypatch):
    install(site, name)
    with pytest.raises(BackendUnavailable) as first:
        Device(name)
    monkeypatch.setattr(plugins, "sources", None)  # not looked for again
    with pytest.raises(BackendUnavailable, match=re.escape(str(first.value))) as second:
        Device(name)
    assert second.value.__cause__ is first.value.__cause__


def test_the_cause_is_chained(site):
    install(site, "import_error")
    with pytest.raises(BackendUnavailable) as caught:
        Device("import_error")
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_six_broken_plugins_at_once_in_a_process_of_their_own(tmp_path):
    for name in [*SIX, "good"]:
        install(tmp_path, name)
    *lines, last = printed(f"""
        import sys
        sys.path.insert(0, {str(tmp_path)!r})
        import rushlight as rl
        for name, available, reason, count, distribution, *_ in rl.devices():
            print(name, available, count, distribution, reason, sep="|")
        print((rl.ones(2, device="good:1") + 1).tolist())
    """)
    assert last == "[2.0, 2.0]"
    told = {line.split("|")[0]: line for line in lines}
    assert lines[0].startswith("numpy|True|1|")
    assert told["good"] == "good|True|2|rushlight-good|None"
    for name in SIX:
        provider = f"rushlight-{name.replace('_', '-')}"
        if name == "duplicate":
            provider += " and another-duplicate"
        assert told[name] == f"{name}|False|0|{provider}|backend {name}: {SENTENCES[name]}"


def test_devices_lists_every_backend_with_its_version(site):
    install(site, "good")
    install(site, "no_hardware")
    listed = {info.name: info for info in devices()}
    assert devices()[0].name == "numpy"
    assert listed["good"] == ("good", True, None, 2, "rushlight-good", "0.1", {})
    assert not listed["no_hardware"].available
    assert listed["no_hardware"].count == 0


def test_a_keyboard_interrupt_passes_and_is_not_remembered(site):
    install(site, "interrupted")
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            Device("interrupted")


def test_malformed_entry_points_disturb_nobody_and_are_named(site):
    install(site, "good")
    install(site, "no_hardware", "rushlight-broken", entry="no equals sign here")
    assert Device("good").name == "good"
    *listed, last = devices()
    assert [info.name for info in listed].count("good") == 1
    reason = "the entry points of rushlight-broken cannot be read; reinstall it"
    assert last == ("rushlight-broken", False, reason, 0, "rushlight-broken", "0.1", {})
    with pytest.raises(BackendUnavailable, match=r"cannot be read: rushlight-broken$"):
        Device("broken")


def test_a_distribution_without_a_name_still_works(site):
    install(site, "good")
    (site / "rushlight_good-0.1.dist-info" / "METADATA").unlink()
    assert {info.name: info.version for info in devices()}["good"] == "?"
    assert Device("good").backend.count() == 2


def test_a_distribution_found_in_two_folders_counts_once(site, monkeypatch):
    install(site, "good")
    again = site / "again"
    again.mkdir()
    install(again, "good")
    monkeypatch.syspath_prepend(again)
    assert Device("good").name == "good"


def test_a_name_that_is_not_installed_gets_the_command_and_the_choice(site):
    install(site, "good")
    with pytest.raises(BackendUnavailable) as caught:
        Device("goood")
    there = ", ".join(sorted(info.name for info in devices()))
    assert str(caught.value) == (
        f"backend goood: not installed; choose from {there} (did you mean good?), "
        "or install the package that provides it"
    )
    with pytest.raises(BackendUnavailable) as caught:
        Device("xyzzy")
    assert str(caught.value) == (
        f"backend xyzzy: not installed; choose from {there}, or install the package that provides "
        "it"
    )


def test_a_plugin_installed_meanwhile_is_found(site):
    with pytest.raises(BackendUnavailable, match="not installed"):
        Device("good")
    install(site, "good")
    importlib.invalidate_caches()
    assert Device("good").name == "good"


def test_nobody_takes_the_place_of_the_reference(site):
    install(site, "exits", "rushlight-usurper", entry="numpy = planted_exits")
    assert Device("numpy").backend.name == "numpy"
    first, *_ = devices()
    assert (first.name, first.available, first.count) == ("numpy", True, 1)
    assert (first.distribution, first.version) == ("rushlight", version("rushlight"))
    assert first.reason == (
        "backend numpy: also claimed by rushlight-usurper 0.1, which is ignored; uninstall it"
    )
    install(site, "good", "second-usurper", entry="numpy = planted_good")
    first, *_ = devices()
    assert first.available
    claims = {"rushlight-usurper 0.1", "second-usurper 0.1"}
    told = re.fullmatch(
        r"backend numpy: also claimed by (.*) and (.*), which are ignored; uninstall them",
        first.reason,
    )
    assert set(told.groups()) == claims


@pytest.mark.parametrize(
    ("protocol", "advice"),
    [
        ((MAJOR, MINOR + 1), "pip install --upgrade rushlight"),
        ((MAJOR + 1, 0), "pip install --upgrade rushlight"),
        ((MAJOR - 1, 7), "pip install --upgrade rushlight-good"),
        ("1.0", "states protocol '1.0'; it is two numbers, as in (1, 0)"),
    ],
    ids=["newer minor", "newer major", "older major", "no numbers"],
)
def test_another_protocol_names_what_to_upgrade(site, protocol, advice):
    install(site, "good")
    planted = importlib.import_module("planted_good")
    planted.Good.protocol = protocol
    with pytest.raises(BackendUnavailable, match=re.escape(advice) + "$"):
        Device("good")


def test_an_older_minor_protocol_is_served(site, monkeypatch):
    install(site, "good")
    monkeypatch.setattr(plugins, "PROTOCOL", (MAJOR, MINOR + 3))
    assert Device("good").name == "good"


def test_many_missing_kernels_are_counted(site):
    install(site, "missing_kernels")
    planted = importlib.import_module("planted_missing_kernels")
    needed = sorted(plugins.required_kernels())
    planted.rushlight_backend = without(planted, needed)
    with pytest.raises(BackendUnavailable) as caught:
        Device("missing_kernels")
    first = ", ".join(needed[:8])
    assert f"no kernel for {first} and {len(needed) - 8} more; " in str(caught.value)


def without(planted, names):
    from rushlight.extend import hookimpl

    @hookimpl
    def rushlight_backend():
        backend = planted.MissingKernels()
        backend.kernels = {k: v for k, v in backend.kernels.items() if k not in names}
        return backend

    return rushlight_backend


def test_a_long_reason_is_cut_and_kept_on_one_line():
    assert plugins.one_line("a\n  b. ") == "a b"
    assert len(plugins.one_line("x" * 1000)) == 300


def test_assert_plugin_loads_a_good_one_and_shows_why_another_does_not(site):
    install(site, "good")
    install(site, "no_hardware")
    assert assert_plugin("good").name == "good"
    with pytest.raises(BackendUnavailable, match="no abacus is connected"):
        assert_plugin("no_hardware")


def test_fresh_plugins_leaves_devices_as_they_were():
    before = Device("numpy")
    with fresh_plugins():
        assert Device("numpy") is not before
    assert Device("numpy") is before


def test_hooks_and_metadata_wait_until_a_backend_is_asked_for():
    assert printed("""
        import sys
        import rushlight as rl
        rl.ones(3) + 1
        print([name for name in ("pluggy", "importlib.metadata") if name in sys.modules])
    """) == ["[]"]
