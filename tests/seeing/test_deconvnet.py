import pytest
import torch
import torch.nn.functional as F
from captum.attr import Deconvolution
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from imprint.errors import InvalidValueError, LayerError
from imprint.seeing import deconvolve, projectable, receptive_fields

IMAGES = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def seeded(make):
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return make()


def small(relu=nn.ReLU):
    return seeded(
        lambda: nn.Sequential(
            nn.Conv2d(3, 6, 5, padding=1), nn.MaxPool2d(2), relu(),
            nn.Conv2d(6, 8, 3, stride=2), nn.MaxPool2d(2), relu(),
        )
    )  # fmt: skip


def naive(model, images, channel):
    """Zeiler and Fergus's deconvnet by hand: unpool, rectify, filter; float64."""
    (conv1, _, _, conv2, _, _), maps = model, images
    first, switches1 = F.max_pool2d(conv1(maps), 2, return_indices=True)
    shape1 = conv1(maps).shape
    inner = conv2(first.relu())
    second, switches2 = F.max_pool2d(inner, 2, return_indices=True)
    features = second.relu()
    signal = torch.zeros_like(features)
    for image in range(len(images)):
        place = divmod(int(features[image, channel].argmax()), features.shape[3])
        signal[image, channel, *place] = features[image, channel, *place]
    signal = F.max_unpool2d(signal.relu(), switches2, 2, output_size=inner.shape)
    signal = F.conv_transpose2d(signal, conv2.weight, stride=2, output_padding=(
        (first.shape[2] - 3) % 2, (first.shape[3] - 3) % 2))  # fmt: skip
    signal = F.max_unpool2d(signal.relu(), switches1, 2, output_size=shape1)
    return F.conv_transpose2d(signal, conv1.weight, padding=1)


@settings(max_examples=15)
@given(size=st.integers(20, 30), width=st.integers(20, 30), channel=st.integers(0, 7))
def test_agrees_with_a_deconvnet_by_hand_in_float64(size, width, channel):
    model = small().double()
    generator = torch.Generator().manual_seed(size)
    images = torch.rand(2, 3, size, width, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        expected = naive(model, images, channel)
    actual = deconvolve(model, "5", images, channel)
    assert actual.dtype == torch.float64
    torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-12)


class Residual(nn.Module):
    """All rectifiers are modules, none in place, each used once: what captum can do."""

    def __init__(self):
        super().__init__()
        self.stem, self.norm, self.relu1 = nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU()
        self.inner, self.relu2 = nn.Conv2d(6, 6, 3, padding=1), nn.ReLU()
        self.pool, self.drop, self.head = nn.AvgPool2d(6), nn.Dropout(), nn.Linear(150, 4)

    def forward(self, images):
        maps = self.relu1(self.norm(self.stem(images)))
        maps = self.relu2(maps + self.inner(maps))
        return self.head(self.drop(self.pool(maps).flatten(1)))


def test_agrees_with_captum():
    model = seeded(Residual).double().eval()
    generator = torch.Generator().manual_seed(0)
    model.norm.running_mean.uniform_(-1, 1, generator=generator)
    model.norm.running_var.uniform_(0.5, 2, generator=generator)
    model.head.bias.data.fill_(3.0)  # of a negative logit the projection is another
    images = IMAGES.double().requires_grad_()
    with pytest.warns(UserWarning, match="Setting backward hooks"):
        expected = Deconvolution(model).attribute(images, target=2)
    logits = model(images).detach()[:, 2, None, None, None]  # captum's starts from 1
    assert (logits > 0).all()
    projection = deconvolve(model, "head", IMAGES.double(), 2)
    torch.testing.assert_close(projection, expected.detach() * logits)


FORMS = {
    "module": nn.ReLU(),
    "in place": nn.ReLU(inplace=True),
    "F.relu": F.relu,
    "F.relu_": lambda maps: F.relu(maps, inplace=True),
    "torch.relu": torch.relu,
    "method": lambda maps: maps.relu(),
    "clamp": lambda maps: maps.clamp(min=0),
    "clamp_min": lambda maps: maps.clamp_min(0),
    "threshold": lambda maps: F.threshold(maps, 0, 0),
}


class Form(nn.Module):
    def __init__(self, relu):
        super().__init__()
        self.first, self.second, self.relu = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), relu

    def forward(self, images):
        return self.second(self.relu(self.first(images)))


@pytest.mark.parametrize("form", FORMS)
def test_a_rectifier_counts_in_whatever_form_it_comes(form):
    model, judge = seeded(lambda: Form(FORMS[form])), seeded(lambda: Form(nn.ReLU()))
    actual, expected = (deconvolve(each, "second", IMAGES, 1) for each in (model, judge))
    torch.testing.assert_close(actual, expected)
    maps = judge.second.weight[1].detach()  # by hand, as a module that no hook has seen
    rows, columns = divmod(int(judge(IMAGES)[0, 1].argmax()), 28)
    value = judge(IMAGES)[0, 1, rows, columns].detach()
    signal = torch.zeros(1, 4, 30, 30)
    signal[0, :, rows : rows + 3, columns : columns + 3] = maps * value
    by_hand = F.conv_transpose2d(signal.relu(), judge.first.weight)
    torch.testing.assert_close(actual[:1], by_hand.detach())


@pytest.mark.parametrize(
    "rectifier", [nn.GELU, nn.SiLU, nn.LeakyReLU, nn.ReLU6, nn.ELU, nn.PReLU, nn.Hardswish, nn.Mish]
)
def test_kin_of_the_relu_rectify_what_comes_down(rectifier):
    conv = seeded(lambda: nn.Conv2d(3, 4, 3))
    model = nn.Sequential(conv, rectifier(), nn.Conv2d(4, 1, 1, bias=False))
    nn.init.constant_(
        model[2].weight, -1.0
    )  # what comes down is negative wherever the value is > 0
    value = model(IMAGES).detach()
    projection = deconvolve(model, "2", IMAGES, 0)
    signal = torch.zeros_like(value).flatten(1)
    best = value.flatten(1).max(1)
    signal[torch.arange(3), best.indices] = -best.values
    signal = signal.view_as(value).expand(-1, 4, -1, -1).clamp_min(0)
    torch.testing.assert_close(projection, F.conv_transpose2d(signal, conv.weight).detach())


class TurnedNorm(nn.Module):
    """Layer norm over the channels of each place, as ConvNeXt has it."""

    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(4)

    def forward(self, maps):
        return self.norm(maps.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def grouped_variance(maps):
    groups = maps.view(3, 2, 2, 30, 30)
    return groups.var((2, 3, 4), correction=0, keepdim=True).expand_as(groups).reshape(maps.shape)


@pytest.mark.parametrize(
    ("norm", "variance"),
    [
        (nn.GroupNorm(2, 4), grouped_variance),
        (TurnedNorm(), lambda maps: maps.var(1, correction=0, keepdim=True)),
        (nn.LayerNorm((4, 30, 30)), lambda maps: maps.var((1, 2, 3), correction=0, keepdim=True)),
        (
            nn.InstanceNorm2d(4, affine=True),
            lambda maps: maps.var((2, 3), correction=0, keepdim=True),
        ),
        (nn.BatchNorm2d(4), lambda maps: torch.full_like(maps, 0.7)),
        (
            nn.BatchNorm2d(4, affine=False, track_running_stats=False),
            lambda maps: maps.var((0, 2, 3), correction=0, keepdim=True),
        ),
    ],
    ids=["group", "turned layer", "layer", "instance", "batch", "batch without memory"],
)  # fmt: skip
def test_a_norm_scales_by_the_statistics_that_it_had(norm, variance):
    generator = torch.Generator().manual_seed(0)
    model = nn.Sequential(seeded(lambda: nn.Conv2d(3, 4, 3)), norm).double().eval()
    for parameter in norm.parameters():
        nn.init.uniform_(parameter, 0.5, 2.0, generator=generator)
    if getattr(norm, "running_var", None) is not None:
        norm.running_var.fill_(0.7)
    weight = getattr(norm, "norm", norm).weight
    gain = 1 if weight is None else weight if weight.ndim == 3 else weight.view(-1, 1, 1)
    with torch.no_grad():
        maps = model[0](IMAGES.double())
        signal = torch.zeros_like(maps)
        signal[:, 1] = norm(maps)[:, 1]
        scaled = signal * gain * (variance(maps) + 1e-5).rsqrt()
        expected = F.conv_transpose2d(scaled, model[0].weight)
    actual = deconvolve(model, "1", IMAGES.double(), 1, position="all")
    torch.testing.assert_close(actual, expected)


def test_a_pool_hands_down_to_where_the_maximum_lay():
    images = torch.tensor([[[[1.0, 5.0, 2.0], [3.0, 4.0, 9.0], [0.0, 1.0, 2.0]]]])
    model = nn.Sequential(nn.MaxPool2d(2, 1))
    everything = deconvolve(model, "0", images, 0, position="all")
    assert everything.nonzero()[:, 2:].tolist() == [[0, 1], [1, 1], [1, 2]]
    assert everything[0, 0, 1, 2] == 18  # two windows had it


def test_positions():
    model = seeded(lambda: nn.Sequential(nn.Conv2d(3, 2, 3, bias=False)))
    maps = model(IMAGES).detach()[:, 1]
    places = torch.stack([torch.tensor(divmod(int(each.argmax()), 30)) for each in maps])
    strongest = deconvolve(model, "0", IMAGES, 1)
    torch.testing.assert_close(deconvolve(model, "0", IMAGES, 1, position=places), strongest)
    one = deconvolve(model, "0", IMAGES, 1, position=(4, 7))
    filters = model[0].weight[1].detach()
    torch.testing.assert_close(one[:, :, 4:7, 7:10], filters * maps[:, 4, 7].view(-1, 1, 1, 1))
    assert one.count_nonzero() == 3 * 27
    singles = [
        deconvolve(model, "0", IMAGES[:1, :, :5, :5], 1, position=(row, column))
        for row in range(3)
        for column in range(3)
    ]
    whole = deconvolve(model, "0", IMAGES[:1, :, :5, :5], 1, position="all")
    torch.testing.assert_close(sum(singles), whole)  # nothing is rectified on the way


def test_the_second_run_of_a_layer_is_another():
    relu = nn.ReLU()
    model = seeded(lambda: nn.Sequential(nn.Conv2d(3, 4, 3), relu, nn.Conv2d(4, 4, 3), relu))
    alone = nn.Sequential(model[0], nn.ReLU(), model[2], nn.ReLU())
    for run, layer in (("1", "1"), ("1#2", "3")):
        actual, expected = deconvolve(model, run, IMAGES, 2), deconvolve(alone, layer, IMAGES, 2)
        torch.testing.assert_close(actual, expected)


@given(rows=st.permutations(range(3)), count=st.integers(1, 3))
def test_other_images_of_the_batch_make_no_difference(rows, count):
    model = small()
    whole = deconvolve(model, "5", IMAGES, 3)
    some = rows[:count]
    torch.testing.assert_close(deconvolve(model, "5", IMAGES[some], 3), whole[some])


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("paper", ["conv1", "relu2", "relu3", "linear2"]),
        ("conv4", ["block1.0", "block4", "linear"]),
        ("resnet8", ["stem", "layer2", "layer3.0.conv2", "linear"]),
        ("resnet20", ["stem", "layer1.1", "layer3", "linear"]),
        ("ResNet", ["resnet.embedder", "resnet.encoder.stages.1", "classifier.1"]),
        ("ConvNext", ["convnext.encoder.stages.0.layers.0.act", "convnext.encoder.stages.1"]),
    ],
)
def test_projects_through_networks_of_any_nesting(network, name, layers):
    model = network(name)
    for layer in layers:
        projection = deconvolve(model, layer, IMAGES, 0)
        assert projection.shape == IMAGES.shape
        assert projection.dtype == torch.float32
        assert projection.isfinite().all()
        assert any(deconvolve(model, layer, IMAGES, channel).any() for channel in range(4)), (
            layer
        )  # one channel may be dead


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_works_where_gradients_are_off(context):
    model = small()
    with context():
        inside = deconvolve(model, "5", IMAGES.clone(), 3)
        assert projectable(model, "5", IMAGES.clone())
    torch.testing.assert_close(inside, deconvolve(small(), "5", IMAGES, 3))
    frozen = small().requires_grad_(requires_grad=False)
    torch.testing.assert_close(deconvolve(frozen, "5", IMAGES, 3), inside)


class Gate(nn.Module):
    """Squeeze and excitation: a product of two signals of the image."""

    def forward(self, maps):
        return maps * maps.mean((2, 3), keepdim=True)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.mix = nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, maps):
        tokens = maps.flatten(2).transpose(1, 2)
        return self.mix(tokens, tokens, tokens)[0].transpose(1, 2).view_as(maps)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(4, 4, batch_first=True)

    def forward(self, maps):
        tokens = maps.flatten(2).transpose(1, 2)
        return self.lstm(tokens)[0].transpose(1, 2).reshape(maps.shape)


class Shout(nn.Module):
    def forward(self, maps):
        return maps.exp()


@pytest.mark.parametrize(
    ("block", "told"),
    [
        (nn.Sigmoid(), r"got Sigmoid in module '1.inner': it is no rectifier"),
        (nn.Tanh(), r"got Tanh in module '1.inner': it is no rectifier"),
        (nn.Softmax(1), r"got Softmax in module '1.inner': its weights depend on"),
        (nn.Hardtanh(), r"got Hardtanh in module '1.inner': it clips at -1"),
        (Gate(), r"got Mul in module '1.inner': it joins signals"),
        (Attention(), r"in module '1.inner.mix': "),
        (Recurrent(), r"in module '1.inner.lstm': "),
        (Shout(), r"got Exp in module '1.inner': no projection through it is known"),
    ],
)
def test_names_the_module_that_it_cannot_pass_and_why(block, told):
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = block

        def forward(self, maps):
            return self.inner(maps) + maps

    model = nn.Sequential(nn.Conv2d(3, 4, 3), Block(), nn.ReLU(), nn.Conv2d(4, 4, 1))
    with pytest.raises(LayerError, match=r"layer '3': expected only convolutions.*" + told):
        deconvolve(model, "3", IMAGES[:, :, :6, :6], 0)
    assert not projectable(model, "3", IMAGES[:, :, :6, :6])
    assert projectable(model, "0", IMAGES[:, :, :6, :6])


def test_names_a_block_that_is_still_running_and_the_models_own_code(network):
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.block = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sigmoid(), nn.Conv2d(4, 4, 3))
            self.last = nn.Conv2d(4, 4, 1)

        def forward(self, images):
            return self.last(torch.tanh(self.block(images)))

    with pytest.raises(LayerError, match=r"got Sigmoid in module 'block.1'"):
        deconvolve(Own(), "block.2", IMAGES, 0)
    with pytest.raises(LayerError, match=r"got Tanh in module '1': "):
        deconvolve(nn.Sequential(nn.Conv2d(3, 3, 1), Own()), "1.last", IMAGES, 0)
    with pytest.raises(LayerError, match="got Tanh in the model's own forward"):
        deconvolve(Own(), "last", IMAGES, 0)
    v2 = network("ConvNextV2")
    with pytest.raises(LayerError, match=r"in module '.*\.grn': "):
        deconvolve(v2, "convnextv2.encoder.stages.1", IMAGES, 0)


def test_says_where_a_layer_cannot_be_reached(network):
    class Cut(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, images):
            return self.conv(images.detach())

    with pytest.raises(LayerError, match="'conv': expected maps that depend on the images"):
        deconvolve(Cut(), "conv", IMAGES, 0)
    vit = network("ViT")
    tokens = next(n for n, _ in vit.named_modules() if n.endswith("layernorm"))
    with pytest.raises(LayerError, match="tokens have no rows and columns"):
        deconvolve(vit, tokens, IMAGES, 0)
    with pytest.raises(LayerError, match="got 'conv9'"):
        deconvolve(Cut(), "conv9", IMAGES, 0)
    with pytest.raises(LayerError, match="'5#2': expected a layer that runs"):
        deconvolve(small(), "5#2", IMAGES, 0)


def test_refuses_channels_positions_and_pixels_that_are_not_there():
    model = small()
    for channel in (-1, 8):
        with pytest.raises(InvalidValueError, match=f"channel: expected 0 … 7, got {channel}"):
            deconvolve(model, "5", IMAGES, channel)
    for position in ((0, 3), (-1, 0), (3, 0)):
        with pytest.raises(InvalidValueError, match="position: expected a row in 0 … 2"):
            deconvolve(model, "5", IMAGES, 0, position=position)
    for position in ("weakest", torch.zeros(2, 2, dtype=torch.int64), (0.5, 1.0)):
        with pytest.raises(InvalidValueError, match="position: expected"):
            deconvolve(model, "5", IMAGES, 0, position=position)
    for bad in (torch.nan, torch.inf):
        images = IMAGES.clone()
        images[1, 0, 0, 0] = bad
        with pytest.raises(InvalidValueError, match="images: expected finite pixels"):
            deconvolve(model, "5", images, 0)
    with pytest.raises(InvalidValueError, match="what the model takes"):
        deconvolve(model, "5", IMAGES[:, :, :1, :1], 0)


def test_on_digits_projections_lie_in_the_field_and_on_the_strokes(trained):
    images = trained.images[:200]
    maps = nn.Sequential(*list(trained.model)[:6])(images).detach()
    channel = int(maps.amax((2, 3)).median(0).values.argmax())
    projections = deconvolve(trained.model, "relu2", images, channel)
    flat = maps[:, channel].flatten(1).argmax(1)
    places = torch.stack((flat // 4, flat % 4), 1)
    boxes = receptive_fields(trained.model, "relu2", images, places)
    for projection, (top, left, height, width) in zip(projections, boxes.tolist(), strict=True):
        outside = projection.clone()
        outside[:, top : top + height, left : left + width] = 0
        assert not outside.any()
    energy = projections.clamp_min(0)
    on_strokes = (energy * (images > 0.5)).sum() / energy.sum()
    within = torch.zeros_like(images)
    for mask, (top, left, height, width) in zip(within, boxes.tolist(), strict=True):
        mask[:, top : top + height, left : left + width] = 1
    by_chance = (within * (images > 0.5)).sum() / within.sum()
    assert on_strokes > 1.3 * by_chance
