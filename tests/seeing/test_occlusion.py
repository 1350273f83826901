import sys

import pytest
import torch
from captum.attr import Occlusion
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from imprint.errors import InvalidValueError, MissingExtraError
from imprint.models import build_model
from imprint.seeing import occlusion

IMAGES = torch.rand(2, 3, 8, 7, generator=torch.Generator().manual_seed(0))


def small():
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 5)
        )


def starts_of(size, patch, stride):
    """Where patches start; the last may reach over the border."""
    starts = [0]
    while starts[-1] + patch < size:
        starts.append(starts[-1] + stride)
    return starts


def naive(model, images, targets, patch, stride, fill):
    """Cover, ask, and give each pixel the mean fall of the patches over it; float64."""

    def ask(batch):
        return model(batch).softmax(1)

    rows = []
    for image, target in zip(images, targets, strict=True):
        total, count = torch.zeros(image.shape[1:], dtype=torch.float64), 0 * image[0]
        whole = ask(image[None])[0, target]
        for top in starts_of(image.shape[1], patch[0], stride[0]):
            for left in starts_of(image.shape[2], patch[1], stride[1]):
                window = (..., slice(top, top + patch[0]), slice(left, left + patch[1]))
                covered = image.clone()
                covered[window] = torch.as_tensor(fill, dtype=image.dtype).view(-1, 1, 1)
                total[window[1:]] += whole - ask(covered[None])[0, target]
                count[window[1:]] += 1
        rows.append(total / count)
    return torch.stack(rows)


@given(
    patch=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    batch_size=st.integers(1, 80),
    fill=st.sampled_from([0.0, 0.5, (0.1, 0.2, 0.3)]),
)
def test_agrees_with_a_naive_loop_in_float64(patch, stride, batch_size, fill):
    stride = (min(stride[0], patch[0]), min(stride[1], patch[1]))
    model, targets = small().double(), torch.tensor([1, 4])
    with torch.no_grad():
        expected = naive(model, IMAGES.double(), targets, patch, stride, fill)
    actual = occlusion(
        model, IMAGES.double(), targets,
        patch=patch, stride=stride, fill=fill, batch_size=batch_size,
    )  # fmt: skip
    assert actual.shape == (2, 8, 7)
    assert actual.dtype == torch.float32
    torch.testing.assert_close(actual.double(), expected, rtol=1e-5, atol=1e-7)


def test_agrees_with_captum_on_logits():
    model = small()
    expected = Occlusion(model).attribute(
        IMAGES, target=2, sliding_window_shapes=(3, 3, 3), strides=(3, 2, 1)
    )
    actual = occlusion(model, IMAGES, 2, patch=3, stride=(2, 1), score="logit")
    torch.testing.assert_close(actual, expected[:, 0].detach(), rtol=1e-4, atol=1e-6)


def test_images_and_batch_size_make_no_difference():
    model = build_model("resnet20", (3, 8, 8), 10)
    images = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    targets = torch.tensor([0, 5, 9])
    whole = occlusion(model, images, targets, patch=3)
    flipped = occlusion(model, images.flip(0), targets.flip(0), patch=3, batch_size=5)
    torch.testing.assert_close(flipped.flip(0), whole, rtol=1e-4, atol=1e-6)
    assert occlusion(model, images[:1, :, :1, :1], 0, patch=1).shape == (1, 1, 1)


@pytest.mark.parametrize("name", ["ResNet", "ConvNext", "ViT"])
def test_works_on_networks_of_others(network, name):
    images = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    maps = occlusion(network(name), images, 1, patch=16, stride=8)
    assert maps.shape == (1, 32, 32)
    assert maps.any()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"targets": 5}, r"targets: expected classes in 0 … 4, got 5 … 5"),
        ({"targets": -1}, r"targets: expected classes in 0 … 4, got -1"),
        ({"targets": torch.tensor([1, 2, 3])}, r"targets: expected a class or \(2,\) of them"),
        ({"targets": torch.tensor([0.5, 1.0])}, r"got \(2,\) of torch.float32"),
        ({"patch": 9}, r"patch: expected 1 … \(8, 7\), the image, got \(9, 9\)"),
        ({"patch": 0}, r"patch: expected 1 … "),
        ({"patch": 2, "stride": 3}, r"stride: expected 1 … \(2, 2\), the patch, got \(3, 3\)"),
        ({"stride": 0}, r"stride: expected 1"),
        ({"fill": (0.0, 1.0)}, r"fill: expected a finite number or 3 of them"),
        ({"fill": torch.nan}, r"fill: expected a finite number"),
        ({"score": "loss"}, r"score.*got 'loss'"),
        ({"batch_size": 0}, r"batch_size.*got 'probability' and 0"),
        ({"images": IMAGES * torch.nan}, r"images: expected finite pixels"),
        ({"images": IMAGES[:0]}, r"images: expected floats"),
        ({"images": IMAGES[:, :1]}, r"images: expected what the model takes"),
        ({"model": nn.Conv2d(3, 2, 3)}, r"model: expected logits \(1, K\)"),
    ],
)
def test_bad_input_is_told(arguments, told):
    call = {"model": small(), "images": IMAGES, "targets": 1, **arguments}
    with pytest.raises(InvalidValueError, match=told):
        occlusion(call.pop("model"), call.pop("images"), call.pop("targets"), **call)


def test_without_captum_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with pytest.raises(MissingExtraError, match=r"captum: expected it.* 'imprint\[see\]'"):
        occlusion(small(), IMAGES, 0)


def test_on_digits_the_strokes_matter_more_than_the_background(trained):
    right = trained.model(trained.images).argmax(1) == trained.labels
    images, labels = trained.images[right][:12], trained.labels[right][:12]
    maps = occlusion(trained.model, images, labels, patch=5, stride=2, score="logit")
    strokes = images[:, 0] > 0.5
    apart = [float(m[s].mean() - m[~s].mean()) for m, s in zip(maps, strokes, strict=True)]
    assert sum(value > 0 for value in apart) >= 11
