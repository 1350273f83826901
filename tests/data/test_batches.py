import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from imprint.data.augmentation import augment
from imprint.data.batches import Batches, TensorBatches
from imprint.data.loading import LoaderBatches
from imprint.data.scaling import normalisation, normalise
from imprint.data.seeds import generator_of
from imprint.errors import InvalidValueError
from imprint.types import ImageSet, Normalisation

from .conftest import small_set

PLAIN = Normalisation((0.5,), (0.25,))


class Items:
    """An image set as a map-style data set."""

    def __init__(self, image_set):
        self.image_set = image_set

    def __len__(self):
        return len(self.image_set)

    def __getitem__(self, row):
        return self.image_set.images[row], int(self.image_set.labels[row])


def tensor_batches(image_set, *args, **settings) -> Batches:
    return TensorBatches(image_set, *args, **settings)


def loader_batches(image_set, *args, **settings) -> Batches:
    return LoaderBatches(Items(image_set), *args, **settings)


kinds = pytest.mark.parametrize("make", [tensor_batches, loader_batches])


def flat(batches, epoch=0, kept=None):
    """Everything that an epoch gives, as three tensors."""
    return [torch.cat(parts) for parts in zip(*batches.epoch(epoch, kept), strict=True)]


@kinds
@given(st.integers(1, 30), st.integers(1, 30), st.booleans(), st.booleans())
def test_an_epoch_gives_each_row_once(make, count, size, shuffle, drop_last):
    image_set = small_set(count)
    if drop_last and size > count:
        with pytest.raises(InvalidValueError, match=f"expected 1 … {count}.*got {size}"):
            make(image_set, size, PLAIN, drop_last=drop_last)
        return
    batches = make(image_set, size, PLAIN, shuffle=shuffle, drop_last=drop_last)
    sizes = [len(batch.labels) for batch in batches.epoch(0)]
    index, images, labels = flat(batches)
    assert len(batches) == len(sizes)
    assert sizes[:-1] == [size] * (len(sizes) - 1)
    assert len(index) == (count // size * size if drop_last else count)
    assert len(set(index.tolist())) == len(index)
    assert torch.equal(images, normalise(image_set.images[index], PLAIN))
    assert torch.equal(labels, image_set.labels[index])
    assert shuffle or index.tolist() == list(range(len(index)))


@kinds
def test_an_epoch_follows_from_the_seed_and_its_number_alone(make):
    settings = {"augmentations": ("crop", "flip")}
    first = make(small_set(), 4, PLAIN, seed=1, **settings)
    again = make(small_set(), 4, PLAIN, seed=1, **settings)
    flat(again, 7)
    for a, b in zip(flat(first, 3), flat(again, 3), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(flat(first, 3)[0], flat(first, 4)[0])
    other = make(small_set(), 4, PLAIN, seed=3, **settings)
    assert not torch.equal(flat(first, 3)[0], flat(other, 1)[0])
    assert not torch.equal(flat(first, 3)[0], flat(other, 3)[0])


def test_both_kinds_give_the_same_batches():
    settings = {"seed": 5, "augmentations": ("crop", "flip"), "drop_last": False}
    kept, loaded = (
        make(small_set(), 4, PLAIN, **settings) for make in (tensor_batches, loader_batches)
    )
    some = torch.arange(len(small_set())) % 3 > 0
    for rows in (None, some):
        for a, b in zip(flat(kept, 2, rows), flat(loaded, 2, rows), strict=True):
            assert torch.equal(a, b)


@kinds
@given(st.integers(1, 30), st.integers(1, 8), st.booleans(), st.data())
def test_an_epoch_of_some_rows_has_them_in_the_order_of_all(make, count, size, drop_last, data):
    kept = torch.tensor(data.draw(st.lists(st.booleans(), min_size=count, max_size=count)))
    batches = make(small_set(count), min(size, count), PLAIN, drop_last=drop_last)
    whole = make(small_set(count), count, PLAIN)
    order = [row for row in flat(whole)[0].tolist() if kept[row]]
    full = len(order) // min(size, count) * min(size, count)
    if not (full if drop_last else order):
        with pytest.raises(InvalidValueError, match="batch_size"):
            flat(batches, 0, kept)
        return
    assert flat(batches, 0, kept)[0].tolist() == order[: full if drop_last else None]


@kinds
@given(st.integers(1, 30), st.integers(0, 32), st.data())
def test_so_many_steps_take_all_rows_evenly(make, count, steps, data):
    kept = torch.tensor(data.draw(st.lists(st.booleans(), min_size=count, max_size=count)))
    batches = make(small_set(count), 1, PLAIN)
    if not 1 <= steps <= int(kept.sum()):
        with pytest.raises(InvalidValueError, match=r"steps: expected 1 … \d+, the images, got"):
            list(batches.epoch(0, kept, steps=steps))
        return
    parts = [batch.index for batch in batches.epoch(0, kept, steps=steps)]
    sizes = [len(part) for part in parts]
    assert len(parts) == steps
    assert max(sizes) - min(sizes) <= 1
    assert torch.cat(parts).tolist() == flat(batches, 0, kept)[0].tolist()


@kinds
@pytest.mark.parametrize("steps", [None, 2])
def test_flags_of_another_set_are_refused(make, steps):
    batches = make(small_set(9), 2, PLAIN)
    with pytest.raises(InvalidValueError, match=r"kept: expected \(9,\), .*got \(7,\)"):
        list(batches.epoch(0, torch.ones(7, dtype=torch.bool), steps=steps))


@kinds
def test_epochs_may_be_read_side_by_side(make):
    batches = make(small_set(), 4, PLAIN, augmentations=["crop"])
    pairs = list(zip(batches.epoch(0), batches.epoch(0), batches.epoch(1), strict=True))
    assert all(torch.equal(one.images, two.images) for one, two, _ in pairs)


def test_a_batch_is_augmented_then_normalised():
    image_set = small_set()
    batch = next(TensorBatches(image_set, 8, PLAIN, augmentations=["crop"], seed=2).epoch(6))
    generator = generator_of(2, 6)
    torch.randperm(len(image_set), generator=generator)
    expected = augment(image_set.images[batch.index], ["crop"], generator=generator)
    assert torch.equal(batch.images, normalise(expected, PLAIN))


@kinds
def test_colour_and_channels_last(make):
    image_set = small_set(channels=3)
    measured = normalisation(image_set.images)
    batch = next(make(image_set, 5, measured, channels_last=True).epoch(0))
    assert batch.images.shape == (5, 3, 8, 8)
    assert batch.images.is_contiguous(memory_format=torch.channels_last)


def test_images_on_the_cpu_are_not_copied():
    image_set = small_set()
    batches = TensorBatches(image_set, 4, PLAIN)
    assert batches._images.data_ptr() == image_set.images.data_ptr()


@kinds
@pytest.mark.parametrize(
    ("size", "settings", "said"),
    [
        (0, {}, r"batch_size: expected 1 … 23.*got 0"),
        (0, {"drop_last": False}, r"batch_size: expected 1 … 23.*got 0"),
        (24, {}, r"batch_size: expected 1 … 23, the number of images; got 24"),
        (4, {"augmentations": ["spin"]}, "some of crop, flip, roll, level, mask, got 'spin'"),
    ],
)
def test_bad_settings_are_refused_at_construction(make, size, settings, said):
    with pytest.raises(InvalidValueError, match=said):
        make(small_set(), size, PLAIN, **settings)


@kinds
@pytest.mark.parametrize(("seed", "epoch"), [(0, -1), (-1, 0)])
def test_negative_seeds_and_epochs_are_refused(make, seed, epoch):
    with pytest.raises(InvalidValueError, match="at least 0"):
        next(make(small_set(), 4, PLAIN, seed=seed).epoch(epoch))


def test_an_empty_set_and_a_misfit_of_channels_are_refused():
    empty = ImageSet(torch.zeros(0, 1, 8, 8).byte(), torch.zeros(0).long(), ("a", "b"))
    with pytest.raises(InvalidValueError, match=r"expected 1 … 0"):
        TensorBatches(empty, 4, PLAIN, drop_last=False)
    with pytest.raises(InvalidValueError, match="expected 3 means"):
        TensorBatches(small_set(channels=3), 4, PLAIN)


def test_workers_give_what_this_process_gives():
    settings = {"seed": 5, "augmentations": ("crop",), "drop_last": False}
    alone = LoaderBatches(Items(small_set()), 6, PLAIN, **settings)
    helped = LoaderBatches(Items(small_set()), 6, PLAIN, num_workers=2, **settings)
    for a, b in zip(flat(alone, 1), flat(helped, 1), strict=True):
        assert torch.equal(a, b)


class Noise:
    """Items that draw from torch's global state, as transforms in a worker do."""

    def __len__(self):
        return 8

    def __getitem__(self, row):
        return torch.rand(1, 2, 2), row % 2


def test_random_transforms_in_workers_follow_from_the_seed_and_the_epoch():
    batches = LoaderBatches(Noise(), 4, PLAIN, seed=1, num_workers=1)
    first, again, other = (flat(batches, epoch)[1] for epoch in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ([(torch.zeros(1, 4, 4), "a")] * 4, r"item \d: expected a whole number as label, got 'a'"),
        ([torch.zeros(4)] * 4, r"item \d: expected \(image, label\), got Tensor"),
        ([(torch.zeros(1, 4, 4) + 2, 0)] * 4, r"item \d: expected floats in \[0, 1\]"),
        ([(torch.zeros(1, 4, n), 0) for n in range(1, 5)], r"image 1: expected \(1, 4"),
        ([(torch.zeros(3, 4, 4), 0)] * 4, r"image 0: expected \(1, 4, 4\), got \(3, 4, 4\)"),
    ],
)
@pytest.mark.parametrize("num_workers", [0, 1])
def test_bad_items_are_told(items, said, num_workers):
    with pytest.raises(InvalidValueError, match=f"^{said}"):
        next(LoaderBatches(items, 4, PLAIN, num_workers=num_workers).epoch(0))


def test_an_iterable_is_no_map_style_data_set():
    with pytest.raises(InvalidValueError, match=r"a map-style data set.*got generator"):
        LoaderBatches((x for x in range(3)), 1, PLAIN)
