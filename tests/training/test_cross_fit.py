from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from imprint.errors import InvalidValueError
from imprint.training import TrainSettings, check_network, cross_fit
from imprint.training.cross_fit import assign_folds
from imprint.types import ImageSet

QUICK = TrainSettings(epochs=1, batch_size=16, device="cpu", lr=0.1)

WITNESS = """
import torch

class Witness(torch.nn.Module):
    '''Is sure of class 1 for images that it was trained on, of class 0 for all others.'''

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen = set()

    def forward(self, images):
        keys = [tuple(row) for row in (images.flatten(1)[:, :9] * 100).round().tolist()]
        if self.training and torch.is_grad_enabled():
            self.seen.update(keys)
        known = torch.tensor([float(key in self.seen) for key in keys])
        return torch.stack((1 - known, known), 1) * 200 + self.weight

def witness():
    return Witness()
"""


def random_set(count, *, num_classes=2, seed=0, side=16):
    draw = torch.Generator().manual_seed(seed)
    images = torch.randint(256, (count, 1, side, side), generator=draw, dtype=torch.uint8)
    labels = torch.randint(num_classes, (count,), generator=draw)
    return ImageSet(images, labels, tuple("abcdef"[:num_classes]))


def accuracy(table, labels):
    return (table.argmax(1) == labels).float().mean().item()


@given(
    labels=st.lists(st.integers(0, 3), min_size=2, max_size=40),
    seed=st.integers(0, 99),
    data=st.data(),
)
def test_folds_are_balanced_as_a_whole_and_in_each_class(labels, seed, data):
    labels, folds = torch.tensor(labels), data.draw(st.integers(2, len(labels)))
    assigned = assign_folds(labels, folds, seed=seed)
    for own in (assigned, *(assigned[labels == k] for k in range(4))):
        counts = own.bincount(minlength=folds)
        assert len(counts) == folds
        assert counts.max() - counts.min() <= 1
    assert torch.equal(assign_folds(labels, folds, seed=seed), assigned)


def test_the_seed_deals_the_folds():
    labels = torch.zeros(50, dtype=torch.int64)
    assert not torch.equal(assign_folds(labels, 2, seed=0), assign_folds(labels, 2, seed=1))


@pytest.mark.parametrize(("count", "folds"), [(8, 1), (8, 0), (8, -2), (8, 9), (1, 2), (0, 2)])
def test_refuses_folds_out_of_range(count, folds):
    message = f"folds: expected 2 … {count}, the samples; got {folds}"
    with pytest.raises(InvalidValueError, match=message):
        assign_folds(torch.zeros(count, dtype=torch.int64), folds)
    with pytest.raises(InvalidValueError, match=message):
        cross_fit(random_set(count), QUICK, folds=folds)


@pytest.mark.parametrize("folds", [2, 3, 4])
def test_no_network_predicts_what_it_was_trained_on(tmp_path, folds):
    (tmp_path / "own.py").write_text(WITNESS)
    images = random_set(60)
    settings = replace(QUICK, model=f"{tmp_path}/own.py:witness", batch_size=5, epochs=2)
    other = random_set(20, seed=9)
    own, again, unseen = cross_fit(images, settings, folds=folds, others=(images, other))
    assert torch.equal(own, torch.tensor([[1.0, 0.0]]).expand(60, 2))
    # the same images as a further set: every network but one was trained on each of them
    torch.testing.assert_close(again[:, 1], torch.full((60,), (folds - 1) / folds))
    assert torch.equal(unseen, torch.tensor([[1.0, 0.0]]).expand(20, 2))


def test_labels_at_random_are_predicted_at_random():
    images = random_set(400, seed=2)
    own, again = cross_fit(images, replace(QUICK, epochs=10), others=(images,))
    assert accuracy(own, images.labels) < 0.6
    assert accuracy(again, images.labels) > 0.75  # they are learnt by heart where they are seen


def test_real_classes_are_predicted(splits):
    settings = replace(QUICK, epochs=8, batch_size=32)
    own, test = cross_fit(splits.train, settings, others=(splits.test,))
    assert accuracy(own, splits.train.labels) > 0.8
    assert accuracy(test, splits.test.labels) > 0.8
    for table, part in ((own, splits.train), (test, splits.test)):
        assert (table.shape, table.dtype) == ((len(part), 4), torch.float32)
        torch.testing.assert_close(table.sum(1), torch.ones(len(part)))
        assert bool((table >= 0).all())


def test_the_same_seed_gives_the_same_bits_and_leaves_random_states_alone():
    images = random_set(48)
    torch.rand(1)
    state = torch.get_rng_state()
    one, other = cross_fit(images, QUICK, others=(images,)), cross_fit(images, QUICK)
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(7)
    assert torch.equal(cross_fit(images, QUICK)[0], one[0])
    assert torch.equal(other[0], one[0])  # further sets change nothing
    assert not torch.equal(cross_fit(images, replace(QUICK, seed=1))[0], one[0])


@pytest.mark.parametrize("schedule", ["one-cycle", "cosine", "step", "constant"])
@pytest.mark.parametrize(("count", "folds"), [(2, 2), (3, 2), (6, 3), (33, 2)])
def test_small_sets_do(count, folds, schedule):
    settings = replace(QUICK, model="paper", schedule=schedule)  # it has no batch norm
    table = cross_fit(random_set(count), settings, folds=folds)[0]
    torch.testing.assert_close(table.sum(1), torch.ones(count))


def test_a_prediction_does_not_depend_on_the_images_beside_it():
    images, other = random_set(64), random_set(20, seed=9)
    first = ImageSet(other.images[:1], other.labels[:1], other.class_names)
    _, whole, alone = cross_fit(images, QUICK, others=(other, first))
    torch.testing.assert_close(alone, whole[:1], atol=1e-5, rtol=0)


def test_one_class_is_certain():
    assert cross_fit(random_set(32, num_classes=1), QUICK)[0].unique().tolist() == [1]


def test_equal_images_are_predicted_alike():
    images = ImageSet(
        torch.full((64, 1, 16, 16), 9, dtype=torch.uint8), torch.arange(64) % 2, ("a", "b")
    )
    table = cross_fit(images, QUICK)[0]
    assert bool(table.isfinite().all())
    assert len(table.unique(dim=0)) <= 2  # one answer a network


@pytest.mark.parametrize(
    ("model", "side", "message"),
    [("conv4", 4, "at least 8 pixels a side"), ("nothing", 16, "model: expected paper, conv4")],
)
def test_refuses_a_network_that_does_not_fit(model, side, message):
    images, settings = random_set(32, side=side), replace(QUICK, model=model)
    for call in (check_network, cross_fit):
        with pytest.raises(InvalidValueError, match=message):
            call(images, settings)


def test_says_at_once_what_fails_in_training(tmp_path):
    (tmp_path / "own.py").write_text("import torch\ndef flat():\n    return torch.nn.Flatten()\n")
    settings = replace(QUICK, model=f"{tmp_path}/own.py:flat")
    for call in (check_network, cross_fit):
        with pytest.raises(InvalidValueError, match=r"expected logits \(2, 2\).*got \(2, 256\)"):
            call(random_set(8), settings)
    with pytest.raises(InvalidValueError, match=r"images \(1, 1, 8, 8\), it failed"):
        check_network(random_set(8, side=8), replace(QUICK, batch_size=1))
