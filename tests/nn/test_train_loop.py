"""The loop: what it measures, that it can stop anywhere, and what it needs to go on bit for bit."""

import numpy as np
import pytest

import rushlight as rl
import rushlight_nn as nn
from rushlight_nn import checkpoint
from rushlight_nn.train import Callback, Record, Samples, Trainer
from rushlight_nn.train.augment import amounts, bilinear, distorted
from rushlight_nn.train.batch import Numbers, loader
from rushlight_nn.train.network import ConvNet

EPOCHS, BATCHES = 3, 5


def samples(count, seed):
    """Rows or columns that shine, on noise: two classes."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    images = random.integers(0, 120, (count, 6, 6))
    for image, label in zip(images, labels, strict=True):
        line = random.integers(0, 6)
        (image if label else image.T)[line] = 255
    return Samples(images.astype(np.uint8), labels, ("columns", "rows"))


def trainer(*, compile=False, callbacks=(), seed=0):
    """One with all that has state: dropout, norms, moments, a schedule, order, distortions."""
    rl.manual_seed(seed)
    model = ConvNet(2, (6, 6), 0.3, 0.3)
    optimizer = nn.optim.AdamW(model.parameters(), lr=3e-3)
    device = rl.device("numpy")
    return Trainer(
        model,
        optimizer,
        nn.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS),
        loader(Numbers(samples(37, 1), device, seed, 0.0), 8, seed),
        loader(Numbers(samples(20, 2), device), 8),
        EPOCHS,
        compile=compile,
        callbacks=callbacks,
    )


def weights(made):
    return {name: x.numpy().copy() for name, x in made.model.state_dict().items()}


def measured(made):
    return [record._replace(seconds=0) for record in made.records]


def assert_same(one, other):
    assert measured(one) == measured(other)
    first, second = weights(one), weights(other)
    assert first.keys() == second.keys()
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name], err_msg=name)


@pytest.fixture(scope="module")
def undisturbed():
    made = trainer()
    assert made.fit()
    return made


class StopAfter(Callback):
    def __init__(self, batches):
        self.left, self.told = batches, 0

    def batch_end(self, trainer, samples):
        self.left -= 1
        if not self.left:
            trainer.stop()

    def stopped(self, trainer):
        self.told += 1


def test_it_learns(undisturbed):
    first, *_, last = undisturbed.records
    assert last.test_loss < first.test_loss
    assert last.test_accuracy >= 0.9


def test_a_record_says_what_was_measured(undisturbed):
    last = undisturbed.records[-1]
    assert Record._fields == (
        "epoch", "train_loss", "train_accuracy", "test_loss", "test_accuracy", "seconds"
    )  # fmt: skip
    assert [record.epoch for record in undisturbed.records] == [1, 2, 3]
    tally = undisturbed.evaluate()
    assert (tally.mean_loss, tally.accuracy) == (last.test_loss, last.test_accuracy)
    probabilities = undisturbed.probabilities().numpy()
    labels = samples(20, 2).labels
    assert (probabilities.argmax(1) == labels).mean() == pytest.approx(last.test_accuracy)
    assert -np.log(probabilities[range(20), labels]).mean() == pytest.approx(last.test_loss, 1e-5)


def test_the_same_seed_twice_is_the_same_training(undisturbed):
    again = trainer()
    again.fit()
    assert_same(again, undisturbed)


def test_another_seed_is_another_training(undisturbed):
    other = trainer(seed=1)
    other.fit()
    assert measured(other) != measured(undisturbed)


def test_compiled_it_is_the_same_training(undisturbed):
    compiled = trainer(compile=True)
    compiled.fit()
    assert_same(compiled, undisturbed)


@pytest.mark.parametrize("compile", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize("batches", [1, 4, 5, 6, 10, 13, 15])
def test_stopped_and_resumed_from_a_file_it_is_the_same_training(
    batches, compile, undisturbed, tmp_path
):
    stop = StopAfter(batches)
    first = trainer(callbacks=[stop], compile=compile)
    assert not first.fit()
    assert stop.told == 1
    assert (
        len(first.records) == (batches - 1) // BATCHES
    )  # after an epoch's last batch comes a test
    checkpoint.save(first.state_dict(), tmp_path / "state")
    second = trainer(seed=7, compile=compile)  # what the seed decides is in the state
    second.train.dataset.seed = 0
    second.load_state_dict(checkpoint.load(tmp_path / "state"))
    assert second.fit()
    assert_same(second, undisturbed)


def test_stopped_it_goes_on_where_it_was_in_the_same_process(undisturbed):
    made = trainer(callbacks=[StopAfter(7)])
    assert not made.fit()
    assert made.batch == 2
    assert made.fit()
    assert_same(made, undisturbed)


def test_a_stop_before_the_first_batch_counts(undisturbed):
    stop = StopAfter(0)
    made = trainer(callbacks=[stop])
    made.stop()
    assert not made.fit()
    assert (stop.told, made.batch) == (1, 0)
    assert made.fit()
    assert_same(made, undisturbed)


def test_callbacks_hear_of_every_batch_and_epoch():
    heard = []

    class Listener(Callback):
        def batch_end(self, trainer, samples):
            heard.append(samples)

        def epoch_end(self, trainer, record):
            heard.append(record.epoch)
            if record.epoch == 2:
                trainer.stop()

        def stopped(self, trainer):
            heard.append("stopped")

    made = trainer(callbacks=[Listener(), Callback()])
    made.fit()
    epoch = [8, 8, 8, 8, 5]
    assert heard == [*epoch, 1, *epoch, 2, "stopped"]


@pytest.mark.parametrize("missing", ["model", "optimizer", "order", "random", "records", "tally"])
def test_a_state_that_lacks_something_is_refused(missing, undisturbed):
    state = undisturbed.state_dict()
    del state[missing]
    with pytest.raises(KeyError, match=missing):
        trainer().load_state_dict(state)


# The network


@pytest.mark.parametrize("size", [(1, 1), (3, 4), (4, 4), (6, 5), (8, 8), (17, 16), (28, 28)])
@pytest.mark.parametrize("classes", [2, 10])
def test_images_of_every_size_have_scores(size, classes):
    model = ConvNet(classes, size).eval()
    assert model(rl.zeros(2, 1, *size)).shape == (2, classes)


def test_mean_and_deviation_are_kept_with_the_weights():
    one, other = ConvNet(2, (8, 8), 0.25, 0.5), ConvNet(2, (8, 8))
    other.load_state_dict(one.state_dict())
    assert other.mean.item() == 0.25
    x = rl.rand(3, 1, 8, 8)
    assert one.eval()(x).tolist() == other.eval()(x).tolist()


# Distortions


def test_no_distortion_changes_nothing():
    images = np.random.default_rng(0).random((3, 5, 4)).astype(np.float32)
    for ground in (0.0, None):
        np.testing.assert_allclose(
            distorted(images, np.zeros((3, 5), "f"), ground), images, atol=1e-6
        )


def test_a_shift_of_a_pixel_brings_the_ground_in():
    images = np.arange(12, dtype=np.float32).reshape(1, 3, 4)
    rows, columns = np.mgrid[:3, :4].astype(np.float32)
    moved = bilinear(images, rows[None], columns[None] + 1, 9.0)
    np.testing.assert_array_equal(moved[0], [[1, 2, 3, 9], [5, 6, 7, 9], [9, 10, 11, 9]])
    edge = bilinear(images, rows[None] + 1, columns[None], None)
    np.testing.assert_array_equal(edge[0], [[4, 5, 6, 7], [8, 9, 10, 11], [8, 9, 10, 11]])
    half = bilinear(images, rows[None], columns[None] - 0.5, 0.0)
    np.testing.assert_array_equal(half[0, 0], [0, 0.5, 1.5, 2.5])
    beyond = bilinear(images, rows[None] + 100, columns[None] - 100, 5.0)
    np.testing.assert_array_equal(beyond, 5)


def test_distortions_are_a_function_of_seed_and_epoch():
    made = Numbers(samples(9, 0), rl.device("numpy"), 3, 0.0)

    def images(epoch):
        made.set_epoch(epoch)
        return made.collate([4, 2])[0].numpy()

    first = images(0)
    assert not np.array_equal(images(1), first)
    np.testing.assert_array_equal(images(0), first)
    assert np.abs(amounts(100, np.random.default_rng(0))).max() <= 1
