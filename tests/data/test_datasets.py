import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Subset, TensorDataset

from imprint.data.datasets import from_dataset, indexed
from imprint.errors import InvalidValueError

from .conftest import small_set


def test_images_of_each_kind_become_one_set():
    level = np.full((4, 5), 51, np.uint8)
    items = [
        (Image.fromarray(level), "b"),
        (level, "a"),
        (torch.from_numpy(level) / 255, "b"),
        (np.stack([level] * 3, axis=-1), "c"),
    ]
    image_set = from_dataset(items)
    assert image_set.images.shape == (4, 3, 4, 5)
    assert (image_set.images == 51).all()
    assert image_set.labels.tolist() == [1, 0, 1, 2]
    assert image_set.class_names == ("a", "b", "c")


def test_a_tensor_data_set_comes_back_as_it_is():
    given = small_set(channels=3)
    image_set = from_dataset(TensorDataset(given.images, given.labels))
    assert torch.equal(image_set.images, given.images)
    assert torch.equal(image_set.labels, given.labels)
    assert image_set.class_names == ("0", "1", "2")


def test_classes_of_the_data_set_are_its_names():
    class Named(list):
        classes = ("zebra", "ant", "bee")

    items = [(torch.zeros(1, 2, 2), np.int64(label)) for label in (2, 0)]
    image_set = from_dataset(Named(items))
    assert image_set.class_names == ("zebra", "ant", "bee")
    assert image_set.labels.tolist() == [2, 0]


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ([], "at least two classes"),
        ([(torch.zeros(1, 2, 2), 0)] * 3, "at least two classes"),
        ([(torch.zeros(1, 2, 2), 0), torch.zeros(1, 2, 2)], r"item 1: expected \(image, label\)"),
        ([(torch.zeros(1, 2, 2), 0.5)], r"item 0: .*as label, got 0.5 \(float\)"),
        ([(torch.zeros(1, 2, 2), torch.zeros(2))], "item 0: .*as label"),
        ([("x.png", 0)], "item 0: expected a Pillow image, a tensor or a numpy array, got str"),
        ([(torch.zeros(1, 2, 2), 0), (torch.full((1, 2, 2), torch.nan), 1)], "item 1: .*4 NaN"),
        (
            [(torch.zeros(1, 2, 2), 0), (torch.zeros(1, 3, 2), 1)],
            r"image 1: expected \(1, 2, 2\), got \(1, 3, 2\)",
        ),
        (iter([1]), "map-style"),
    ],
)
def test_items_that_do_not_fit_are_refused(items, said):
    with pytest.raises(InvalidValueError, match=said):
        from_dataset(items)


def test_indexed_gives_each_item_with_its_index():
    given = small_set(10)
    dataset = indexed(Subset(TensorDataset(given.images, given.labels), range(1, 10)))
    assert len(dataset) == 9
    generator = torch.Generator().manual_seed(0)
    loader = DataLoader(dataset, batch_size=4, shuffle=True, generator=generator)
    seen = []
    for index, (images, labels) in loader:
        assert torch.equal(images, given.images[1:][index])
        assert torch.equal(labels, given.labels[1:][index])
        seen += index.tolist()
    assert sorted(seen) == list(range(9))


def test_indexed_ends_where_its_data_set_does():
    assert list(indexed(["a", "b"])) == [(0, "a"), (1, "b")]
    with pytest.raises(InvalidValueError, match=r"map-style data set.*got int"):
        indexed(3)


def test_a_data_set_that_grows_or_shrinks_is_told_at_its_next_item():
    items = ["a", "b"]
    dataset = indexed(items)
    assert dataset[1] == (1, "b")
    for change in (items.append, lambda _: items.clear()):
        change("c")
        with pytest.raises(InvalidValueError, match=r"expected 2 samples, .* got [30]"):
            dataset[0]
