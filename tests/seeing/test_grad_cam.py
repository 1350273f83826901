import pytest
import torch
import torch.nn.functional as F
from captum.attr import LayerGradCam
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from imprint.errors import InvalidValueError, LayerError
from imprint.models import build_model
from imprint.seeing import grad_cam

IMAGES = torch.rand(3, 3, 16, 12, generator=torch.Generator().manual_seed(0))
TARGETS = torch.tensor([1, 0, 3])


def small(*, inplace=False):
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 6, 3, stride=2), nn.ReLU(inplace=inplace),
            nn.Conv2d(6, 5, 3), nn.ReLU(inplace=inplace), nn.Flatten(), nn.Linear(75, 4),
        )  # fmt: skip


def naive(model, depth, images, targets):
    """Equations 1 and 2 of the paper, a loop over images and channels."""
    raw = []
    for image, target in zip(images, targets, strict=True):
        maps = model[:depth](image[None]).detach().requires_grad_()
        model[depth:](maps)[0, target].backward()
        alphas = [float(gradient.mean()) for gradient in maps.grad[0]]
        raw.append(sum(a * m for a, m in zip(alphas, maps.detach()[0], strict=True)))
    return torch.stack(raw)


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_agrees_with_the_papers_equations_in_float64(depth):
    model = small().double()
    images = IMAGES.double()
    found = grad_cam(model, str(depth - 1), images, TARGETS)
    expected = naive(small().double(), depth, images, TARGETS)
    torch.testing.assert_close(found.raw, expected)
    assert found.maps.shape == (3, 16, 12)
    for raw, shown in zip(expected, found.maps, strict=True):
        large = F.interpolate(raw.clamp_min(0)[None, None], size=(16, 12), mode="bilinear")[0, 0]
        torch.testing.assert_close(shown, large / large.max() if large.any() else large)


def test_agrees_with_captum():
    model = build_model("resnet8", (3, 16, 12), 10).eval()
    images = IMAGES.clone().requires_grad_()
    expected = LayerGradCam(model, model.layer3).attribute(images, target=TARGETS)
    found = grad_cam(model, "layer3", IMAGES, TARGETS)
    torch.testing.assert_close(found.raw, expected[:, 0].detach())


@pytest.mark.parametrize("layer", ["0", "1", "2", "3"])
def test_layers_that_work_in_place_make_no_difference(layer):
    plain, inplace = (grad_cam(small(inplace=i), layer, IMAGES, 2) for i in (False, True))
    torch.testing.assert_close(plain.raw, inplace.raw)
    frozen = small(inplace=True).requires_grad_(requires_grad=False)
    with torch.inference_mode():
        torch.testing.assert_close(grad_cam(frozen, layer, IMAGES, 2).raw, plain.raw)
    first = nn.Sequential(nn.ReLU(inplace=True), small())
    before = IMAGES.clone()
    grad_cam(first, "1.0", IMAGES, 2)
    assert torch.equal(IMAGES, before)


@given(seed=st.integers(0, 50), rows=st.permutations(range(3)))
def test_maps_lie_in_0_to_1_and_images_do_not_mix(seed, rows):
    images = torch.randn(3, 3, 16, 12, generator=torch.Generator().manual_seed(seed))
    found = grad_cam(small(), "2", images, TARGETS)
    assert found.maps.min() >= 0
    for peak, raw in zip(found.maps.amax((1, 2)), found.raw, strict=True):
        assert float(peak) == pytest.approx(1.0 if (raw > 0).any() else 0.0)
    again = grad_cam(small(), "2", images[rows], TARGETS[rows])
    torch.testing.assert_close(again.raw, found.raw[rows])


def test_nothing_that_speaks_for_the_class_gives_zeros():
    model = nn.Sequential(nn.Conv2d(3, 1, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    nn.init.constant_(model[0].weight, -1.0)
    nn.init.zeros_(model[0].bias)
    found = grad_cam(model, "0", IMAGES, 0)
    assert (found.raw <= 0).all()
    assert not found.maps.any()


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("ResNet", "resnet.encoder.stages.1"),
        ("ConvNext", "convnext.encoder.stages.1"),
        ("resnet20", "layer2"),
        ("conv4", "block4"),
        ("paper", "conv2"),
    ],
)
def test_works_on_every_network(network, name, layer):
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    found = grad_cam(network(name), layer, images, 1)
    assert found.maps.shape == (2, 32, 32)
    assert found.raw.isfinite().all()
    assert found.raw.any()


def test_names_layers_that_cannot_serve(network):
    with pytest.raises(LayerError, match=r"'5': expected maps .* got \(1, 4\)"):
        grad_cam(small(), "5", IMAGES, 0)
    with pytest.raises(LayerError, match="got '9'"):
        grad_cam(small(), "9", IMAGES, 0)
    relu = nn.ReLU()
    twice = nn.Sequential(nn.Conv2d(3, 3, 1), relu, nn.Conv2d(3, 3, 1), relu, nn.Flatten())
    with pytest.raises(LayerError, match="'1': expected one that runs once, got 2 runs"):
        grad_cam(twice, "1", IMAGES, 0)
    images = torch.rand(2, 3, 32, 32)
    convnext = network("ConvNext")
    with pytest.raises(LayerError, match=r"got \(N, H, W, C\) from a Linear"):
        grad_cam(convnext, "convnext.encoder.stages.0.layers.0.pwconv1", images, 0)
    with pytest.raises(LayerError, match="expected one tensor as its output, got BaseModel"):
        grad_cam(convnext, "convnext.encoder", images, 0)
    tokens = next(n for n, _ in network("ViT").named_modules() if n.endswith("layers.0"))
    with pytest.raises(LayerError, match="tokens have no rows and columns"):
        grad_cam(network("ViT"), tokens, images, 0)


def test_names_a_layer_that_the_logits_do_not_depend_on():
    class Aside(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.aside = nn.Conv2d(3, 2, 1), nn.Conv2d(3, 2, 1)

        def forward(self, images):
            self.aside(images)
            return self.used(images).mean((2, 3))

    with pytest.raises(LayerError, match="'aside': expected one that the logits depend on"):
        grad_cam(Aside(), "aside", IMAGES, 0)


def test_bad_input_is_told():
    for images in (IMAGES * torch.nan, IMAGES[:0], IMAGES[0], IMAGES[:, :, :1, :1]):
        with pytest.raises(InvalidValueError, match="images: expected"):
            grad_cam(small(), "0", images, 0)
    for targets in (4, -1, torch.tensor([1, 2]), torch.tensor([0.0, 1.0, 2.0])):
        with pytest.raises(InvalidValueError, match="targets: expected"):
            grad_cam(small(), "0", IMAGES, targets)


def planted(count, seed):
    """Noise; in every second image a bright square at a random place decides the class."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(count, 1, 24, 24, generator=generator) * 0.3
    labels = torch.arange(count) % 2
    corners = torch.randint(0, 18, (count, 2), generator=generator)
    for image, label, (top, left) in zip(images, labels, corners.tolist(), strict=True):
        if label:
            image[:, top : top + 6, left : left + 6] = 1.0
    return images, labels, corners


def test_falls_on_a_planted_square_that_decides_the_class():
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        model = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2),
        )  # fmt: skip
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    images, labels, _ = planted(256, seed=0)
    for _ in range(60):
        loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    fresh, labels, corners = planted(40, seed=1)
    assert (model(fresh).argmax(1) == labels).float().mean() > 0.95
    shown, corners = grad_cam(model, "4", fresh[1::2], 1).maps, corners[1::2]
    inside = []
    for image, (top, left) in zip(shown, corners.tolist(), strict=True):
        square = image[max(0, top - 1) : top + 7, max(0, left - 1) : left + 7]
        inside.append(float(square.sum() / image.sum()))
    assert sum(inside) / len(inside) > 0.6  # a tenth of the image
