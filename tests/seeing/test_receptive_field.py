import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from imprint.errors import InvalidValueError, LayerError
from imprint.models import build_model
from imprint.seeing import receptive_fields

IMAGES = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))

SPEC = st.tuples(
    st.sampled_from(["conv", "max", "average", "dilated"]),
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(0, 1),
)


def build(specs):
    layers = []
    for kind, kernel, stride, padding in specs:
        border = min(padding, kernel // 2)
        if kind == "max":
            layers.append(nn.MaxPool2d(kernel, stride, border))
        elif kind == "average":
            layers.append(nn.AvgPool2d(kernel, stride, border))
        else:
            dilation = 2 if kind == "dilated" else 1
            layers.append(nn.Conv2d(1, 1, kernel, stride, border, dilation))
            layers.append(nn.ReLU())
    return nn.Sequential(*layers)


def seen_by(specs, place, size):
    """Which lines of the image a place sees: kernels, strides and padding, layer by layer."""
    places = {place}
    sizes = [size]
    for kind, kernel, stride, padding in specs:
        reach = (kernel - 1) * (2 if kind == "dilated" else 1) + 1
        sizes.append((sizes[-1] + 2 * min(padding, kernel // 2) - reach) // stride + 1)
    for (kind, kernel, stride, padding), below in zip(specs[::-1], sizes[-2::-1], strict=True):
        dilation = 2 if kind == "dilated" else 1
        starts = [each * stride - min(padding, kernel // 2) for each in places]
        reached = {start + tap * dilation for start in starts for tap in range(kernel)}
        places = {each for each in reached if 0 <= each < below}
    return places, sizes[-1]


def box_of(rows, columns):
    if not rows or not columns:
        return [0, 0, 0, 0]
    return [min(rows), min(columns), max(rows) - min(rows) + 1, max(columns) - min(columns) + 1]


@given(specs=st.lists(SPEC, min_size=1, max_size=3), height=st.integers(24, 30), data=st.data())
def test_agrees_with_kernels_strides_and_padding(specs, height, data):
    width = 27
    _, rows = seen_by(specs, 0, height)
    _, columns = seen_by(specs, 0, width)
    if rows < 1 or columns < 1:
        return
    row, column = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, columns - 1))
    model = build(specs)
    images, places = torch.zeros(1, 1, height, width), torch.tensor([[row, column]])
    actual = receptive_fields(model, str(len(model) - 1), images, places)
    expected = box_of(seen_by(specs, row, height)[0], seen_by(specs, column, width)[0])
    assert actual.tolist() == [expected]


@pytest.mark.parametrize(("name", "layer"), [("resnet8", "layer2"), ("conv4", "block3"),
                                             ("ResNet", "resnet.embedder"),
                                             ("paper", "conv2")])  # fmt: skip
def test_pixels_outside_the_box_change_nothing_and_its_edges_something(network, name, layer):
    model = network(name)
    maps = model.get_submodule(layer)
    outputs = []
    handle = maps.register_forward_hook(lambda _m, _i, output: outputs.append(output))
    place = torch.tensor([[3, 2]])
    top, left, height, width = receptive_fields(model, layer, IMAGES, place)[0].tolist()
    box = (..., slice(top, top + height), slice(left, left + width))
    inner = (..., slice(top + 1, top + height - 1), slice(left + 1, left + width - 1))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for kept in (box, inner):
            changes = 0.0
            for _ in range(20):
                other = torch.rand(IMAGES.shape, generator=generator) * 9
                other[kept] = IMAGES[kept]
                outputs.clear()
                model(torch.cat((IMAGES, other)))
                first, second = outputs[0][:, :, 3, 2]
                changes = max(changes, float((first - second).abs().max()))
            assert (changes < 1e-5) == (kept is box)
    handle.remove()


def test_weights_and_rectifiers_at_rest_hide_nothing():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 1, 3))
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    nn.init.constant_(model[0].bias, -1.0)
    fields = receptive_fields(model, "2", torch.zeros(1, 1, 9, 9), torch.tensor([[1, 2], [0, 0]]))
    assert fields.tolist() == [[1, 2, 5, 5], [0, 0, 5, 5]]


def test_pools_of_other_kinds_and_transposed_filters():
    images = torch.zeros(1, 1, 9, 9)
    corner = torch.tensor([[4, 4]])
    ceiling = nn.Sequential(nn.MaxPool2d(2, ceil_mode=True))
    assert receptive_fields(ceiling, "0", images, corner).tolist() == [[8, 8, 1, 1]]
    adaptive = nn.Sequential(nn.AdaptiveMaxPool2d(2))
    assert receptive_fields(adaptive, "0", images, corner // 4).tolist() == [[4, 4, 5, 5]]
    transposed = nn.Sequential(nn.ConvTranspose2d(1, 1, 3, 2))
    assert receptive_fields(transposed, "0", images, corner).tolist() == [[1, 1, 2, 2]]
    whole = nn.Sequential(nn.AdaptiveAvgPool2d(1))
    assert receptive_fields(whole, "0", images, corner * 0).tolist() == [[0, 0, 9, 9]]


def test_rows_and_columns_may_trade_places():
    class Turned(nn.Module):
        def forward(self, images):
            return nn.functional.max_pool2d(images, (1, 3)).transpose(2, 3)

    fields = receptive_fields(
        nn.Sequential(Turned()), "0", torch.zeros(1, 1, 6, 9), torch.tensor([[2, 4]])
    )
    assert fields.tolist() == [[4, 6, 1, 3]]


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_works_where_gradients_are_off(context):
    model = build_model("resnet8", (3, 32, 32), 10)
    place = torch.tensor([[1, 2]])
    with context():
        inside = receptive_fields(model, "layer2", IMAGES.clone(), place)
    assert torch.equal(inside, receptive_fields(model, "layer2", IMAGES, place))


def test_positions_come_in_any_number_and_must_exist():
    model = build_model("resnet20", (3, 32, 32), 10)
    places = torch.cartesian_prod(torch.arange(8), torch.arange(8))  # more than one chunk
    fields = receptive_fields(model, "layer3", IMAGES, places)
    assert fields.shape == (64, 4)
    assert torch.equal(fields[[40]], receptive_fields(model, "layer3", IMAGES, places[[40]]))
    assert receptive_fields(model, "layer3", IMAGES, places[:0]).shape == (0, 4)
    for bad in ([[8, 0]], [[0, 8]], [[-1, 0]]):
        with pytest.raises(InvalidValueError, match=r"rows in 0 … 7 and columns in 0 … 7"):
            receptive_fields(model, "layer3", IMAGES, torch.tensor(bad))
    with pytest.raises(LayerError, match="got 'layer9'"):
        receptive_fields(model, "layer9", IMAGES, places)
