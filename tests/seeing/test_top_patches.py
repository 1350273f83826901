import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from imprint.data import Batch
from imprint.errors import InvalidValueError, LayerError
from imprint.models import build_model
from imprint.seeing import merge, project_patches, top_patches

IMAGES = torch.rand(40, 3, 16, 16, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def model():
    return build_model("resnet8", (3, 16, 16), 10).eval()


def fields(top):
    return top.values, top.index, top.positions, top.boxes


def assert_same(one, two):
    assert one.seen == two.seen
    torch.testing.assert_close(one.values, two.values)
    assert all(torch.equal(a, b) for a, b in zip(fields(one)[1:], fields(two)[1:], strict=True))


def naive(maps, k):
    """For each channel the images' largest values, in a loop."""
    rows = []
    for channel in range(maps.shape[1]):
        found = []
        for image in range(len(maps)):
            value, row, column = max(
                (float(maps[image, channel, row, column]), -row, -column)
                for row in range(maps.shape[2])
                for column in range(maps.shape[3])
            )
            if value > 0:
                found.append((-value, image, -row, -column))
        rows.append(sorted(found)[:k])
    return rows


def test_agrees_with_a_naive_loop(model):
    top = top_patches(model, "layer2", IMAGES.split(7), k=5)
    with torch.no_grad():
        maps = model.layer2(model.layer1(model.stem(IMAGES)))
    for channel, expected in enumerate(naive(maps, 5)):
        patches = top.of(channel)
        assert patches.index.tolist() == [image for _, image, _, _ in expected]
        assert patches.positions.tolist() == [[row, column] for _, _, row, column in expected]
        assert patches.values.tolist() == pytest.approx([-value for value, *_ in expected])
    assert top.seen == 40
    assert top.boxes.shape == (48, 5, 4)


@settings(max_examples=10)
@given(size=st.integers(1, 40), cut=st.integers(1, 39))
def test_batches_and_shards_make_no_difference(model, size, cut):
    whole = top_patches(model, "stem", [IMAGES], k=4)
    assert_same(top_patches(model, "stem", IMAGES.split(size), k=4), whole)
    parts = (
        top_patches(model, "stem", IMAGES[:cut].split(size), k=4),
        top_patches(model, "stem", IMAGES[cut:].split(size), k=4, first_index=cut),
    )
    assert_same(merge(*parts), whole)
    assert_same(merge(*parts[::-1]), whole)


def test_merging_is_associative_and_knows_an_image_only_once(model):
    parts = [
        top_patches(model, "stem", [IMAGES[i : i + 20]], k=6, first_index=i) for i in (0, 10, 20)
    ]
    left, right = merge(merge(*parts[:2]), parts[2]), merge(parts[0], merge(*parts[1:]))
    assert_same(left, right)
    whole = top_patches(model, "stem", [IMAGES], k=6)
    assert all(torch.equal(a, b) for a, b in zip(fields(left)[1:], fields(whole)[1:], strict=True))


def test_only_what_fits_is_merged(model):
    one = top_patches(model, "stem", [IMAGES], k=4)
    others = (
        top_patches(model, "layer1", [IMAGES], k=4),
        top_patches(model, "stem", [IMAGES], k=3),
        top_patches(model, "stem", [IMAGES], k=4, channels=range(1, 16)),
    )
    for other in others:
        with pytest.raises(InvalidValueError, match="right: expected layer 'stem'"):
            merge(one, other)


def test_a_dead_channel_has_no_patches_and_few_images_give_few():
    model = nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU())
    nn.init.constant_(model[0].bias, 0.0)
    nn.init.constant_(model[0].weight[0].data, -1.0)
    nn.init.constant_(model[0].weight[1].data, 1.0)
    top = top_patches(model, "1", [IMAGES[:3]], k=5)
    assert top.index[0].tolist() == [-1] * 5
    assert not top.boxes[0].any()
    assert not len(top.of(0).index)
    assert sorted(top.of(1).index.tolist()) == [0, 1, 2]
    assert project_patches(model, top.of(0), IMAGES[:0]) == ()
    nothing = top_patches(nn.Sequential(nn.MaxPool2d(2)), "0", [-IMAGES], k=2)
    assert not nothing.values.any()


def test_batches_come_in_several_forms(model):
    whole = top_patches(model, "stem", [IMAGES], k=4)
    labels = torch.zeros(40, dtype=torch.int64)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(IMAGES, labels), 16)
    assert_same(top_patches(model, "stem", loader, k=4), whole)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(0))
    shuffled = [Batch(rows, IMAGES[rows], labels[rows]) for rows in order.split(9)]
    assert_same(top_patches(model, "stem", shuffled, k=4), whole)


def test_channels_can_be_chosen(model):
    whole = top_patches(model, "stem", [IMAGES], k=3)
    some = top_patches(model, "stem", [IMAGES], k=3, channels=[5, 2])
    assert torch.equal(some.index, whole.index[[5, 2]])
    assert torch.equal(some.of(5).index, whole.of(5).index)
    with pytest.raises(InvalidValueError, match=r"channel: expected one of \[5, 2\], got 3"):
        some.of(3)
    for channels in ([16], [-1], [1, 1], []):
        with pytest.raises(InvalidValueError, match="channels: expected some of 0 … 15"):
            top_patches(model, "stem", [IMAGES], channels=channels)


def test_bad_input_is_told(model):
    with pytest.raises(InvalidValueError, match="batches: expected at least one, got none"):
        top_patches(model, "stem", [])
    with pytest.raises(InvalidValueError, match="k: expected at least 1, got 0"):
        top_patches(model, "stem", [IMAGES], k=0)
    with pytest.raises(InvalidValueError, match=r"of one size \(3, 16, 16\), got \(3, 16, 18\)"):
        top_patches(model, "stem", [IMAGES, torch.rand(1, 3, 16, 18)])
    with pytest.raises(InvalidValueError, match="images: expected finite pixels"):
        top_patches(model, "stem", [IMAGES * torch.nan])
    with pytest.raises(InvalidValueError, match="images: expected floats"):
        top_patches(model, "stem", [[]])
    with pytest.raises(LayerError, match=r"'linear': expected maps .* got \(40, 10\)"):
        top_patches(model, "linear", [IMAGES])
    with pytest.raises(LayerError, match="got 'stern'"):
        top_patches(model, "stern", [IMAGES])


@pytest.mark.parametrize(
    ("name", "layer", "channels"),
    [
        ("ConvNext", "convnext.encoder.stages.0.layers.0.pwconv1", 32),
        ("ResNet", "resnet.encoder.stages.1", 16),
        ("conv4", "block1.0", 16),
    ],
)
def test_works_on_networks_of_others(network, name, layer, channels):
    images = torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    top = top_patches(network(name), layer, images.split(4), k=2)
    assert len(top.channels) == channels
    assert (top.boxes[top.index >= 0][:, 2:] > 0).all()


def test_on_digits_a_channels_patches_are_more_alike_than_any(trained):
    top = top_patches(trained.model, "relu2", trained.images.split(250), k=9)
    generator = torch.Generator().manual_seed(0)
    gains = []
    for channel in range(20):
        patches = top.of(channel)
        if len(patches.index) < 9:
            continue
        boxes = patches.boxes.tolist()
        best = cut(trained.images[patches.index], boxes)
        rows = torch.randint(len(trained.images), (9,), generator=generator)
        chance = cut(trained.images[rows], boxes)
        gains.append(likeness(best) - likeness(chance))
    assert len(gains) >= 10
    assert sum(gains) / len(gains) > 0.1
    assert sum(gain > 0 for gain in gains) >= 0.8 * len(gains)


def cut(images, boxes):
    """Patches brought to one size; those at the border are smaller."""
    size = (14, 14)
    return torch.stack([
        nn.functional.adaptive_avg_pool2d(image[:, t : t + h, left : left + w], size).flatten()
        for image, (t, left, h, w) in zip(images, boxes, strict=True)
    ])  # fmt: skip


def likeness(patches):
    """The mean cosine of each two patches."""
    unit = nn.functional.normalize(patches, dim=1)
    return float((unit @ unit.T).triu(1).sum() / (len(unit) * (len(unit) - 1) / 2))
