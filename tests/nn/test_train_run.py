"""Runs: what they leave, what they refuse, and that interrupted ones go on bit for bit."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rushlight import OutOfMemory
from rushlight_nn import checkpoint
from rushlight_nn.train import RunFolder, memory
from rushlight_nn.train.extra import apps
from rushlight_nn.train.job import Job
from rushlight_nn.train.loop import Trainer
from rushlight_nn.train.run import FILES, unused

COMMAND = [sys.executable, "-c", "import sys; from rushlight.cli import main; sys.exit(main())"]
EPOCHS = ["--epochs", "3", "--batch-size", "16"]
FIELDS = ["epoch", "train_loss", "train_accuracy", "test_loss", "test_accuracy", "seconds"]


def metrics(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def measured(run: Path) -> list[dict[str, float]]:
    return [{**line, "seconds": 0} for line in metrics(run)]


def model(run: Path) -> bytes:
    return (run / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def whole(idx_files, tmp_path_factory):
    """An undisturbed run of three epochs."""
    from rushlight.cli import main

    run = tmp_path_factory.mktemp("whole") / "deep" / "run"
    assert main(["train", "idx", *idx_files, *EPOCHS, "--out", str(run)]) == 0
    return run


# What is left


def test_a_run_leaves_its_files_and_no_others(whole):
    assert sorted(path.name for path in whole.iterdir()) == sorted(FILES)


def test_metrics_have_a_line_for_each_epoch_with_exactly_these_fields(whole):
    lines = metrics(whole)
    assert [list(line) for line in lines] == [FIELDS] * 3
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert all(line["seconds"] > 0 for line in lines)


def test_the_config_says_what_was_asked_for(whole, idx_files):
    config = json.loads((whole / "config.json").read_text())
    assert config["source"]["name"] == "idx"
    assert config["source"]["options"] == {"images": idx_files[1], "labels": idx_files[3]}
    assert config["classes"] == ["0", "1"]
    assert config["size"] == [8, 8]
    assert {name: config[name] for name in ("epochs", "batch_size", "lr", "seed")} == {
        "epochs": 3, "batch_size": 16, "lr": 3e-3, "seed": 0
    }  # fmt: skip


def test_pictures_are_pictures(whole):
    for name in ("curves.png", "confusion.png", "mistakes.png"):
        with Image.open(whole / name) as image:
            image.load()
            assert image.format == "PNG"


def test_the_model_is_a_plain_safetensors_file(whole):
    weights = checkpoint.load(whole / "model.safetensors")
    assert weights["features.0.weight"].shape == (16, 1, 3, 3)


def test_the_same_seed_twice_gives_the_same_weights(whole, idx_files, tmp_path, rushlight):
    run = tmp_path / "run"
    assert rushlight("train", "idx", *idx_files, *EPOCHS, "--out", run)[0] == 0
    assert model(run) == model(whole)
    assert measured(run) == measured(whole)
    other = tmp_path / "other"
    assert rushlight("train", "idx", *idx_files, *EPOCHS, "--seed", "1", "--out", other)[0] == 0
    assert model(other) != model(whole)


def test_compiled_it_gives_the_same_weights(whole, idx_files, tmp_path, rushlight):
    run = tmp_path / "run"
    assert rushlight("train", "idx", *idx_files, *EPOCHS, "--compile", "--out", run)[0] == 0
    assert model(run) == model(whole)


def test_a_run_without_a_terminal_says_one_line(idx_files, tmp_path, rushlight):
    run = tmp_path / "run"
    code, out, err = rushlight("train", "idx", *idx_files, "--epochs", "1", "--out", run)
    assert (code, err) == (0, "")
    assert out.startswith(f"{run} is finished: 1 epoch in ")
    assert out.count("\n") == 1


def test_json_is_for_machines(idx_files, tmp_path, rushlight):
    run = tmp_path / "run"
    words = ["train", "idx", *idx_files, "--epochs", "1", "--json", "--out", run]
    code, out, err = rushlight(*words)
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert list(told) == ["run", *FIELDS]
    assert told["run"] == str(run)


def test_without_out_every_run_has_a_folder_of_its_own(idx_files, tmp_path, monkeypatch, rushlight):
    monkeypatch.chdir(tmp_path)
    for name in ("idx", "idx-2"):
        assert rushlight("train", "idx", *idx_files, "--epochs", "1")[0] == 0
        assert (tmp_path / "runs" / name / "mistakes.png").exists()
    assert unused(tmp_path / "runs", "idx").name == "idx-3"


# What is refused


def test_a_folder_with_a_run_is_refused_and_stays_as_it_is(whole, idx_files, rushlight):
    before = {name: (whole / name).read_bytes() for name in FILES}
    code, out, err = rushlight("train", "idx", *idx_files, *EPOCHS, "--out", whole)
    assert (code, out) == (2, "")
    assert err == (
        f"rushlight: {whole}: holds a run (config.json is there); go on with --resume {whole}, "
        "give another --out, or replace it with --force\n"
    )
    assert {name: (whole / name).read_bytes() for name in FILES} == before


def test_force_replaces_a_run_and_nothing_else(idx_files, tmp_path, rushlight):
    run = tmp_path / "run"
    words = ["train", "idx", *idx_files, "--out", run]
    assert rushlight(*words, "--epochs", "2")[0] == 0
    (run / "notes.txt").write_text("mine")
    assert rushlight(*words, "--epochs", "1", "--force")[0] == 0
    assert len(metrics(run)) == 1
    assert json.loads((run / "config.json").read_text())["epochs"] == 1
    assert (run / "notes.txt").read_text() == "mine"


def test_force_keeps_the_old_run_until_there_is_a_new_one(idx_files, tmp_path, rushlight):
    run = tmp_path / "run"
    assert rushlight("train", "idx", *idx_files, "--epochs", "1", "--out", run)[0] == 0
    before = {name: (run / name).read_bytes() for name in FILES}
    broken = tmp_path / "broken"
    broken.write_bytes(b"nonsense")
    words = ["--images", broken, "--labels", idx_files[3], "--out", run, "--force"]
    code, _, err = rushlight("train", "idx", *words)
    assert code == 2
    assert err.startswith(f"rushlight: {broken}: byte 0 is 0x6e; expected 0x00")
    assert {name: (run / name).read_bytes() for name in FILES} == before


def test_a_damaged_source_leaves_nothing(idx_files, tmp_path, rushlight):
    content = Path(idx_files[1]).read_bytes()
    (tmp_path / "cut").write_bytes(content[:-1])
    run = tmp_path / "run"
    words = ["--images", tmp_path / "cut", "--labels", idx_files[3], "--out", run]
    code, out, err = rushlight("train", "idx", *words)
    assert (code, out) == (2, "")
    assert err == (
        f"rushlight: {tmp_path / 'cut'}: ends at offset {len(content) - 1}; "
        f"expected 60 x 8 x 8 bytes up to offset {len(content)}\n"
    )
    assert not run.exists()


def test_a_failure_in_the_first_epoch_leaves_nothing(idx_files, tmp_path, monkeypatch, rushlight):
    def broken(self, inputs, labels):
        raise ZeroDivisionError

    monkeypatch.setattr(Trainer, "step", broken)
    with pytest.raises(ZeroDivisionError):
        rushlight("train", "idx", *idx_files, "--out", tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "train: nothing to train on; name digits, idx or folder, or --resume RUN"),
        (["idx"], "train idx: --images and --labels belong together; give both"),
        (["idx", "--labels", "a"], "train idx: --images and --labels belong together; give both"),
        (
            ["idx", "--images", "a", "--labels", "b", "--test-images", "c"],
            "train idx: --test-images and --test-labels belong together; give both",
        ),
        (["folder"], "train folder: no folder; give the one that holds a folder per class"),
        (
            ["--size", "8", "digits"],
            "train digits: takes no --size; leave out what is another source's",
        ),
    ],
)
def test_arguments_that_are_not_complete(words, sentence, tmp_path, monkeypatch, rushlight):
    monkeypatch.chdir(tmp_path)
    assert rushlight("train", *words) == (2, "", f"rushlight: {sentence}\n")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--epochs", "0"], "argument --epochs: '0'; give an integer from 1"),
        (["--epochs", "many"], "argument --epochs: 'many'; give an integer from 1"),
        (["--batch-size", "-1"], "argument --batch-size: '-1'; give an integer from 1"),
        (["--seed", "-1"], "argument --seed: '-1'; give an integer from 0"),
        (["--lr", "0"], "argument --lr: '0'; give a number greater than 0"),
        (["--lr", "nan"], "argument --lr: 'nan'; give a number greater than 0"),
    ],
)
def test_numbers_out_of_range(words, sentence, rushlight):
    code, out, err = rushlight("train", "digits", *words)
    assert (code, out) == (2, "")
    assert err == f"rushlight: {sentence}\n"


@pytest.mark.parametrize(
    ("words", "argument"),
    [
        (["train", "digits", "--out", ""], "--out"),
        (["train", "--resume", ""], "--resume"),
        (["train", "idx", "--images", ""], "--images"),
        (["train", "folder", ""], "DIR"),
        (["predict", "", "a.png"], "RUN"),
    ],
)
def test_no_name_at_all_is_no_name_of_this_folder(
    words, argument, tmp_path, monkeypatch, rushlight
):
    monkeypatch.chdir(tmp_path)
    code, out, err = rushlight(*words)
    assert (code, out) == (2, "")
    assert err == (f"rushlight: argument {argument}: '' names nothing; write this folder as '.'\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [["train", "digits"], ["predict", "run", "image.png"]])
@pytest.mark.parametrize("device", ["nowhere", "numpy:3"])
def test_a_device_that_is_not_there_says_why_and_what_is(words, device, rushlight):
    code, out, err = rushlight(*words, "--device", device)
    assert (code, out) == (2, "")
    assert err.startswith("rushlight: ")
    assert err.count("\n") == 1
    assert device in err or device.partition(":")[0] in err
    assert "devices here: numpy" in err


def test_a_place_that_cannot_be_written(idx_files, tmp_path, rushlight):
    (tmp_path / "file").touch()
    code, _, err = rushlight("train", "idx", *idx_files, "--out", tmp_path / "file" / "run")
    assert code == 2
    assert "nothing can be written in" in err


# Output


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="what takes nothing is Linux's")
def test_a_full_output_is_one_sentence_and_the_run_is_there(idx_files, tmp_path):
    run = tmp_path / "run"
    words = ["train", "idx", *idx_files, "--epochs", "1", "--out", str(run)]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 2
    assert done.stderr == (
        f"rushlight: {run}: is finished, read metrics.jsonl there; but standard output: "
        "No space left on device; write to another place\n"
    )
    assert sorted(path.name for path in run.iterdir()) == sorted(FILES)


# Memory


@pytest.mark.parametrize(
    ("raised", "why"),
    [
        (MemoryError(), ""),
        (MemoryError("Unable to allocate 9 GiB"), " (Unable to allocate 9 GiB)"),
        (OutOfMemory("conv: no room on numpy"), " (conv: no room on numpy)"),
    ],
)
def test_memory_that_runs_out_is_one_sentence(
    raised, why, idx_files, tmp_path, monkeypatch, rushlight
):
    def full(self, inputs, labels):
        raise raised

    monkeypatch.setattr(Trainer, "step", full)
    code, out, err = rushlight("train", "idx", *idx_files, "--out", tmp_path / "run")
    assert (code, out) == (2, "")
    assert err == f"rushlight: train: too large for memory{why}; give a smaller --batch-size\n"


def test_a_step_that_cannot_fit_is_refused_beforehand(idx_files, tmp_path, monkeypatch, rushlight):
    monkeypatch.setattr(memory, "free_bytes", lambda: 1 << 20)
    code, out, err = rushlight("train", "idx", *idx_files, "--out", tmp_path / "run")
    assert (code, out) == (2, "")
    assert err == (
        "rushlight: train: a step on 48 images of 8 x 8 pixels takes about 0.0 GiB of memory, "
        "and 0.0 GiB are free; give a smaller --batch-size\n"
    )
    assert list(tmp_path.iterdir()) == []


# Two at once


CLAIMED = (
    "rushlight: {}: another run is being trained in it; wait for its end, or give another --out\n"
)


@pytest.mark.skipif(os.name != "posix", reason="claims are locks of POSIX")
def test_a_folder_in_which_another_run_is_trained_is_refused(
    idx_files, tmp_path, monkeypatch, rushlight
):
    run = tmp_path / "run"
    words = ["train", "idx", *idx_files, "--epochs", "1", "--out", run]
    step, codes = Trainer.step, []

    def meanwhile(self, inputs, labels):
        if not codes:
            codes.extend(rushlight(*other) for other in (words, [*words, "--force"]))
        return step(self, inputs, labels)

    monkeypatch.setattr(Trainer, "step", meanwhile)
    assert rushlight(*words)[0] == 0
    assert codes == [(2, "", CLAIMED.format(run))] * 2
    assert sorted(path.name for path in run.iterdir()) == sorted(FILES)


@pytest.mark.skipif(os.name != "posix", reason="claims are locks of POSIX")
def test_a_killed_run_claims_nothing(idx_files, tmp_path, rushlight):
    run = tmp_path / "run"
    words = ["train", "idx", *idx_files, "--epochs", "400", "--out", str(run)]
    with subprocess.Popen([*COMMAND, *words], stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 60
        while not (run / "checkpoint.safetensors").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert rushlight("train", "--resume", run) == (2, "", CLAIMED.format(run))
        process.kill()
    assert (run / ".lock").exists()
    assert rushlight(*words, "--epochs", "1", "--force")[0] == 0
    assert not (run / ".lock").exists()


def test_what_a_killed_run_left_does_not_forbid_to_go_on(half, whole, rushlight):
    (half / ".lock").touch()
    assert rushlight("train", "--resume", half)[0] == 0
    assert model(half) == model(whole)
    assert sorted(path.name for path in half.iterdir()) == sorted(FILES)


def test_a_folder_that_cannot_be_locked_is_used_unclaimed(idx_files, tmp_path, rushlight):
    run = tmp_path / "run"
    (run / ".lock").mkdir(parents=True)
    assert rushlight("train", "idx", *idx_files, "--epochs", "1", "--out", run)[0] == 0


# Interrupted and resumed


def interrupt_in(monkeypatch, batch: int, times: int = 1) -> None:
    """Let Ctrl-C be pressed while a batch is learnt from, counted from 1 through all epochs."""
    step, count = Trainer.step, 0

    def pressed(self, inputs, labels):
        nonlocal count
        count += 1
        result = step(self, inputs, labels)
        if count == batch:
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)
        return result

    monkeypatch.setattr(Trainer, "step", pressed)


@pytest.mark.parametrize("batch", [1, 2, 3, 5, 9])
def test_interrupted_and_resumed_is_undisturbed(
    batch, whole, idx_files, tmp_path, monkeypatch, rushlight
):
    run = tmp_path / "a run"
    with monkeypatch.context() as patch:
        interrupt_in(patch, batch)
        code, out, err = rushlight("train", "idx", *idx_files, *EPOCHS, "--out", run)
    assert (code, out) == (130, "")
    assert err == f"rushlight: interrupted; go on with: rushlight train --resume '{run}'\n"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert len(metrics(run)) == (batch - 1) // 3  # 48 images are 3 batches of 16
    assert not (run / "curves.png").exists()
    code, out, err = rushlight("train", "--resume", run)
    assert (code, err) == (0, "")
    assert "is finished: 3 epochs" in out
    assert model(run) == model(whole)
    assert measured(run) == measured(whole)
    assert sorted(path.name for path in run.iterdir()) == sorted(FILES)


def test_interrupted_twice_it_ends_at_once(idx_files, tmp_path, monkeypatch, rushlight):
    interrupt_in(monkeypatch, 2, times=2)
    code, _, err = rushlight("train", "idx", *idx_files, *EPOCHS, "--out", tmp_path / "run")
    assert (code, err) == (130, "rushlight: interrupted\n")
    assert list(tmp_path.iterdir()) == []


def test_an_ignored_interrupt_stays_ignored(whole, idx_files, tmp_path, monkeypatch, rushlight):
    run = tmp_path / "run"
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        interrupt_in(monkeypatch, 2)
        code, _, err = rushlight("train", "idx", *idx_files, *EPOCHS, "--out", run)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    assert (code, err) == (0, "")
    assert model(run) == model(whole)


def test_interrupted_while_drawing_it_draws_later(
    whole, idx_files, tmp_path, monkeypatch, rushlight
):
    def pressed(self):
        raise KeyboardInterrupt

    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(Job, "draw", pressed)
        code, _, err = rushlight("train", "idx", *idx_files, *EPOCHS, "--out", run)
    assert code == 130
    assert "go on with: rushlight train --resume" in err
    assert rushlight("train", "--resume", run)[0] == 0
    assert (run / "mistakes.png").exists()
    assert model(run) == model(whole)


def test_a_signal_from_outside_and_resumed_is_undisturbed(whole, idx_files, tmp_path):
    run = tmp_path / "run"
    words = ["train", "idx", *idx_files, "--batch-size", "16", "--epochs", "200", "--out", str(run)]
    process = subprocess.Popen([*COMMAND, *words], stderr=subprocess.PIPE, text=True)
    with process:
        deadline = time.monotonic() + 60
        while not (run / "checkpoint.safetensors").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == f"rushlight: interrupted; go on with: rushlight train --resume {run}\n"
    state = checkpoint.load(run / "checkpoint.safetensors")
    assert 1 <= len(state["records"]) < 200


def test_a_finished_run_says_so(whole, rushlight):
    before = {name: (whole / name).stat().st_mtime_ns for name in FILES}
    code, out, err = rushlight("train", "--resume", whole)
    assert (code, err) == (0, "")
    assert out.startswith(f"{whole} is finished already: 3 epochs in ")
    assert {name: (whole / name).stat().st_mtime_ns for name in FILES} == before


def test_a_finished_run_needs_its_samples_no_more(idx_files, tmp_path, rushlight):
    run, images = tmp_path / "run", tmp_path / "images"
    images.write_bytes(Path(idx_files[1]).read_bytes())
    words = ["train", "idx", "--images", images, *idx_files[2:], "--epochs", "1", "--out", run]
    assert rushlight(*words)[0] == 0
    images.unlink()
    code, out, err = rushlight("train", "--resume", run)
    assert (code, err) == (0, "")
    assert out.startswith(f"{run} is finished already: 1 epoch in ")
    (run / "curves.png").unlink()
    code, _, err = rushlight("train", "--resume", run)
    assert (code, err) == (
        2, f"rushlight: {images}: No such file or directory; expected an IDX file\n"
    )  # fmt: skip


@pytest.fixture
def finished(whole, tmp_path):
    """A copy of the undisturbed run, to damage."""
    return Path(shutil.copytree(whole, tmp_path / "finished"))


@pytest.mark.parametrize("kept", [0, 70, -1])
def test_cut_metrics_of_a_finished_run_are_written_again(kept, finished, whole, rushlight):
    path, content = finished / "metrics.jsonl", (whole / "metrics.jsonl").read_bytes()
    path.write_bytes(content[:kept])
    code, out, err = rushlight("train", "--resume", finished)
    assert code == 0
    assert "is finished already" in out
    assert err == (
        f"rushlight: {path}: ended at offset {len(content[:kept])} of {len(content)}; "
        "written again from the checkpoint\n"
    )
    assert path.read_bytes() == content


def test_missing_metrics_of_a_finished_run_are_written_again(finished, whole, rushlight):
    (finished / "metrics.jsonl").unlink()
    assert rushlight("train", "--resume", finished)[0] == 0
    assert metrics(finished) == metrics(whole)


def test_other_metrics_of_a_finished_run_are_kept(finished, rushlight):
    path = finished / "metrics.jsonl"
    path.write_text(path.read_text() + "a note of mine\n")
    before = path.read_bytes()
    code, _, err = rushlight("train", "--resume", finished)
    assert code == 0
    assert err == (
        f"rushlight: {path}: is not what the checkpoint holds; "
        "remove it and resume again to have it written anew\n"
    )
    assert path.read_bytes() == before


@pytest.mark.parametrize("damage", ["cut", "missing"])
def test_damaged_weights_of_a_finished_run_are_written_again(damage, finished, whole, rushlight):
    path = finished / "model.safetensors"
    path.write_bytes(model(whole)[:-4])
    if damage == "missing":
        path.unlink()
    code, _, err = rushlight("train", "--resume", finished)
    assert code == 0
    assert err == (
        f"rushlight: {path}: was missing or damaged; written again from the checkpoint\n"
    )
    assert model(finished) == model(whole)


def test_resume_takes_no_options_that_the_run_has(whole, rushlight):
    code, _, err = rushlight("train", "idx", "--resume", whole, "--lr", "1", "--epochs", "9")
    assert code == 2
    assert err == (
        "rushlight: train: --resume with --lr, --epochs; leave them out, the run has its own\n"
    )


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--seed", "3"], "--seed"),
        (["--size", "8", "--no-augment"], "--size, --no-augment"),
        (["--images", "a", "--out", "b", "--force"], "--images, --out, --force"),
    ],
)
def test_resume_without_a_source_takes_no_options_that_the_run_has(words, named, whole, rushlight):
    code, _, err = rushlight("train", "--resume", whole, *words)
    assert code == 2
    assert err == (
        f"rushlight: train: --resume with {named}; leave them out, the run has its own\n"
    )


def test_options_may_stand_before_the_source(idx_files, tmp_path, rushlight):
    run = tmp_path / "run"
    assert rushlight("train", *EPOCHS, "--out", run, "idx", *idx_files)[0] == 0
    assert len(metrics(run)) == 3


def test_resume_of_another_source_is_refused(whole, rushlight):
    code, _, err = rushlight("train", "digits", "--resume", whole)
    assert code == 2
    assert "was trained on idx, not on digits" in err
    assert rushlight("train", "idx", "--resume", whole)[0] == 0


def test_resume_of_nothing_is_refused(tmp_path, rushlight):
    code, _, err = rushlight("train", "--resume", tmp_path / "nothing")
    assert code == 2
    assert err == (
        f"rushlight: {tmp_path / 'nothing'}: no run that can be read (config.json: No such file "
        "or directory); give a folder that `rushlight train` wrote\n"
    )


@pytest.fixture
def half(idx_files, tmp_path, monkeypatch, rushlight):
    """A run that was interrupted in its second epoch."""
    run = tmp_path / "half"
    with monkeypatch.context() as patch:
        interrupt_in(patch, 5)
        assert rushlight("train", "idx", *idx_files, *EPOCHS, "--out", run)[0] == 130
    return run


@pytest.mark.parametrize("damage", ["cut", "emptied", "missing", "another"])
def test_a_damaged_checkpoint_is_refused_and_kept(damage, half, whole, rushlight):
    path = half / "checkpoint.safetensors"
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "another":
        checkpoint.save({"model": {"weight": np.zeros(3, np.float32)}}, path)
    else:
        path.write_bytes(content[: len(content) // 2 if damage == "cut" else 0])
    left = path.read_bytes() if path.exists() else None
    code, out, err = rushlight("train", "--resume", half)
    assert (code, out) == (2, "")
    assert err.startswith(f"rushlight: {half}")
    assert "checkpoint.safetensors" in err
    assert err.count("\n") == 1
    assert (path.read_bytes() if path.exists() else None) == left
    if damage == "cut":
        assert err == (
            f"rushlight: {path}: ends at offset {len(left)}; expected a safetensors file with its "
            f"tensors up to {len(content)}, fetch it again or bring back a copy; "
            "if there is no other, begin a new run\n"
        )


def test_a_checkpoint_of_another_run_is_refused(half, idx_files, tmp_path, rushlight):
    other = tmp_path / "other"
    words = ["--epochs", "4", "--batch-size", "16", "--seed", "1"]
    assert rushlight("train", "idx", *idx_files, *words, "--out", other)[0] == 0
    path = half / "checkpoint.safetensors"
    path.write_bytes((other / path.name).read_bytes())
    code, out, err = rushlight("train", "--resume", half)
    assert (code, out) == (2, "")
    assert err == (
        f"rushlight: {path}: is of another run, with epochs 4, seed 1; "
        "expected epochs 3, seed 0, bring back this run's or begin a new run\n"
    )


def test_a_checkpoint_that_does_not_say_its_run_is_taken(half, whole, rushlight):
    path = half / "checkpoint.safetensors"
    state = checkpoint.load(path)
    del state["run"]
    checkpoint.save(state, path)
    assert rushlight("train", "--resume", half)[0] == 0
    assert model(half) == model(whole)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is no JSON at offset 1"),
        ("[]", "is no object"),
        ("{}", "does not belong to this run or was changed (KeyError: 'source')"),
        (b"\xff\xfe\xff", "is no text at offset"),
    ],
)
def test_a_damaged_config_is_refused(content, said, half, rushlight):
    path = half / "config.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    code, _, err = rushlight("train", "--resume", half)
    assert code == 2
    assert f"{path}: {said}" in err


def test_a_changed_option_is_refused(half, rushlight):
    path = half / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "lr": "fast"}))
    code, _, err = rushlight("train", "--resume", half)
    assert code == 2
    assert "config.json: does not belong to this run or was changed (ValueError:" in err


def test_data_that_changed_since_is_refused(idx_files, tmp_path, monkeypatch, rushlight):
    content = bytearray(Path(idx_files[1]).read_bytes())
    images = tmp_path / "images"
    images.write_bytes(content)
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        interrupt_in(patch, 2)
        words = ["--images", images, "--labels", idx_files[3], "--out", run]
        assert rushlight("train", "idx", *words)[0] == 130
    content[100] ^= 1
    images.write_bytes(content)
    code, _, err = rushlight("train", "--resume", run)
    assert code == 2
    assert "images or labels have changed since this run began" in err


def test_a_device_may_be_chosen_anew_to_go_on(half, rushlight):
    assert rushlight("train", "--resume", half, "--device", "hostile")[0] == 0
    assert len(metrics(half)) == 3


def test_a_full_disk_is_one_sentence(idx_files, tmp_path, monkeypatch, rushlight):
    def full(state, path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save", full)
    run = tmp_path / "run"
    code, _, err = rushlight("train", "idx", *idx_files, "--epochs", "1", "--out", run)
    assert code == 2
    assert err == (
        f"rushlight: {run}: cannot be written (No space left on device); "
        "make room for it or give another --out\n"
    )


def test_a_folder_that_is_none_is_refused(tmp_path):
    (tmp_path / "run").touch()
    with pytest.raises(ValueError, match="nothing can be written in"):
        RunFolder(tmp_path / "run").prepare(force=False)


# The terminal, and what may not be installed


def test_on_a_terminal_a_bar_shows_loss_accuracy_and_samples_per_second(idx_files, tmp_path):
    pty = pytest.importorskip("pty", reason="pseudo-terminals are POSIX's")
    ours, theirs = pty.openpty()
    words = ["train", "idx", *idx_files, "--epochs", "4", "--out", str(tmp_path / "run")]
    process = subprocess.Popen(
        [*COMMAND, *words], stdout=subprocess.PIPE, stderr=theirs, text=True, env=os.environ
    )
    os.close(theirs)
    shown = b""
    with process:
        # Linux reports the end of the other side as an error.
        with contextlib.suppress(OSError):
            while part := os.read(ours, 4096):
                shown += part
        out, _ = process.communicate(timeout=60)
    os.close(ours)
    assert process.returncode == 0
    assert out.count("\n") == 1
    bars = shown.decode().split("\r")
    assert any("epoch 4/4 |" in bar for bar in bars)
    last = bars[-1] if bars[-1].strip() else bars[-2]
    assert "samples/s" in last
    assert "loss 0." in last
    assert ", acc " in last
    assert ", test " in last
    assert all(len(bar) <= 81 for bar in bars)
    assert len(last.split("|")[1]) >= 9


@pytest.mark.parametrize(
    ("module", "package"),
    [
        ("matplotlib.figure", "matplotlib"),
        ("sklearn.datasets", "scikit-learn"),
        ("threadpoolctl", "threadpoolctl"),
    ],
)
def test_a_missing_extra_says_how_to_install_it(module, package, tmp_path, monkeypatch, rushlight):
    monkeypatch.setitem(sys.modules, module, None)
    code, out, err = rushlight("train", "digits", "--out", tmp_path / "run")
    assert (code, out) == (2, "")
    assert err.endswith(f': needs {package}; pip install "rushlight-nn[apps]"\n')
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_another_missing_module_is_a_defect():
    with pytest.raises(ModuleNotFoundError, match="nonsense"), apps("it"):
        raise ModuleNotFoundError("no nonsense", name="nonsense")


def test_the_subcommands_import_nothing_heavy():
    program = (
        "import sys, rushlight_nn.cli; "
        "print(*{'tqdm', 'PIL', 'matplotlib', 'sklearn', 'rich'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "\n"
