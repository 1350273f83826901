"""The rest of a network on stored maps: equal to the whole, and the guest as it was."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import TensorDataset

from imprint.errors import InvalidValueError, LayerError
from imprint.models import build_model
from imprint.on_maps import Rest, frozen_prefix

SHAPE = (1, 16, 16)
IMAGES = torch.rand(7, *SHAPE, generator=torch.Generator().manual_seed(0))


class Own(nn.Module):
    """No Sequential: functions between, a parameter that is added, a module that runs twice."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.place = nn.Parameter(torch.randn(4, 16, 16))
        self.norm, self.act = nn.BatchNorm2d(4), nn.PReLU()
        self.dropout, self.head = nn.Dropout(0.5), nn.Linear(4, 3)

    def forward(self, images):
        maps = F.relu(self.norm(self.conv1(images))) + self.place
        maps = self.conv2(self.act(maps))
        pooled = self.dropout(self.act(maps)).mean((2, 3))
        return {"logits": self.head(pooled)}


class Tokens(nn.Module):
    """As a vision transformer: patches, a class token, places, blocks."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(1, 8, 4, 4)
        self.token, self.place = (
            nn.Parameter(torch.randn(1, 1, 8)),
            nn.Parameter(torch.randn(17, 8)),
        )
        layers = [nn.TransformerEncoderLayer(8, 2, 16, batch_first=True) for _ in range(3)]
        self.blocks, self.head = nn.ModuleList(layers), nn.Linear(8, 3)

    def forward(self, images):
        tokens = self.patches(images).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(len(tokens), -1, -1), tokens], 1) + self.place
        for block in self.blocks:
            tokens = block(tokens)
        return self.head(tokens[:, 0])


class Looking(nn.Module):
    """Looks at the images once more, after the layer: at the mean of a batch."""

    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(1, 2, 3), nn.Linear(2, 3)

    def forward(self, images):
        return self.head(self.conv(images).mean((2, 3))) + images.mean()


class Writing(Looking):
    """Writes into what a module has put out, which a stand-in without room does not take."""

    def __init__(self):
        super().__init__()
        self.tail = nn.Conv2d(2, 2, 3)

    def forward(self, images):
        return self.head(self.tail(self.conv(images).add_(1)).mean((2, 3)))


def logits(answer):
    return answer["logits"] if isinstance(answer, dict) else answer


NETWORKS = [
    *((name, lambda n=name: build_model(n, SHAPE, 3), layer) for name, layer in [
        ("paper", "conv1"), ("paper", "relu2"), ("paper", "linear1"),
        ("conv4", "block2"), ("conv4", "block3.0"), ("resnet20", "layer2.1"),
    ]),
    ("own", Own, "conv2"),
    ("own", Own, "norm"),
    ("tokens", Tokens, "blocks.1"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "build", "layer"), NETWORKS)
def test_the_rest_answers_as_the_whole(name, build, layer):
    model = build().eval()
    rest = Rest(model, layer, SHAPE)
    with torch.no_grad():
        assert torch.equal(logits(rest(rest.read(IMAGES))), logits(model(IMAGES)))


@pytest.mark.parametrize(("name", "build", "layer"), NETWORKS)
def test_gradients_are_those_of_a_frozen_network(name, build, layer):
    model = build().eval()
    rest = Rest(model, layer, SHAPE)
    maps = rest.read(IMAGES)
    late = [weight for n, weight in model.named_parameters() if n not in rest.frozen]
    ours = torch.autograd.grad(logits(rest(maps)).square().sum(), late)
    cut = model.get_submodule(layer).register_forward_hook(lambda _m, _i, output: output.detach())
    whole = torch.autograd.grad(logits(model(IMAGES)).square().sum(), late)
    cut.remove()
    assert len(ours) > 0
    for one, other in zip(ours, whole, strict=True):  # attention is not the same to the bit
        torch.testing.assert_close(one, other, rtol=1e-4 if name == "tokens" else 0, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "layer", "frozen"),
    [
        ("paper", "pool1", {"conv1.weight", "conv1.bias"}),
        ("own", "conv2", {"conv1", "norm", "conv2", "place"}),
    ],
)
def test_frozen_are_the_weights_that_the_rest_does_not_use(name, layer, frozen):
    model = Own() if name == "own" else build_model(name, SHAPE, 3)
    found = {n if name == "paper" else n.split(".")[0] for n in Rest(model, layer, SHAPE).frozen}
    assert found == frozen


def test_nothing_before_the_layer_is_computed():
    model = build_model("resnet20", SHAPE, 3)
    rest = Rest(model, "layer2", SHAPE)
    maps, calls = rest.read(IMAGES), []
    real = F.conv2d

    def counted(*args, **kwargs):
        calls.append(args[1].shape)
        return real(*args, **kwargs)

    def conv(module, images, weight, bias):
        calls.append(weight.shape)
        return real(images, weight, bias, module.stride, module.padding)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nn.Conv2d, "_conv_forward", conv)
        rest(maps)
        late = len(calls)
        model(IMAGES)
    assert late == 7  # of the third stage: two a block, and a projection
    assert len(calls) - late == 21


def test_vectors_and_tokens_keep_their_form():
    rest = Rest(Tokens(), "blocks.0", SHAPE)
    assert rest.shape == (17, 8)
    assert logits(rest(rest.read(IMAGES).reshape(7, 17, 8, 1))).shape == (7, 3)


@pytest.mark.parametrize(
    ("model", "layer", "message"),
    [
        (
            Looking(),
            "conv",
            r"layer 'conv': expected a network that runs .*, it gave another answer",
        ),
        (
            Writing(),
            "tail",
            r"layer 'tail': expected a network that runs .*, it failed: unsupported",
        ),
        (build_model("resnet8", SHAPE, 3), "layer1.0.conv1", "layers that would do: stem"),
        (Own(), "act", "layer 'act': expected one that all data flow through exactly once"),
        (Own(), "nope", "layer: expected one of the model's"),
    ],
)
def test_where_it_cannot_be_parted_is_told(model, layer, message):
    with pytest.raises(LayerError, match=message):
        Rest(model, layer, SHAPE)
    assert_untouched(model)


def assert_untouched(model):
    for module in model.modules():
        assert "forward" not in module.__dict__
        assert not module._forward_hooks
        assert not module._forward_pre_hooks


def test_the_guest_is_left_as_it_was_also_after_an_error():
    model = Own().train()
    model.norm.eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.random.get_rng_state()
    rest = Rest(model, "conv2", SHAPE)
    assert torch.equal(torch.random.get_rng_state(), state)
    with pytest.raises(RuntimeError):
        rest(torch.zeros(2, 3, 1, 1))
    assert_untouched(model)
    assert model.training
    assert model.dropout.training
    assert not model.norm.training
    assert all(weight.grad is None and weight.requires_grad for weight in model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_forward_of_its_own_is_put_back():
    model = build_model("paper", SHAPE, 3)
    own = model.conv1.forward
    model.conv1.forward = own
    mine = model.conv1.__dict__["forward"]
    rest = Rest(model, "pool1", SHAPE)
    rest(rest.read(IMAGES))
    assert model.conv1.__dict__["forward"] is mine


PAIRS = TensorDataset(IMAGES, torch.arange(7) % 3)


def test_three_lines_in_ones_own_loop_train_the_rest_alone(tmp_path):
    model = build_model("conv4", SHAPE, 3)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=0.1)

    rest, stored = frozen_prefix(model, "block2", PAIRS, tmp_path / "maps", batch_size=4)
    for maps, labels in torch.utils.data.DataLoader(stored, batch_size=7):
        F.cross_entropy(rest(maps), labels).backward()
        optimizer.step()

    changed = {n for n, value in model.state_dict().items() if not torch.equal(value, before[n])}
    assert changed
    assert all(name.startswith(("block3", "block4", "linear")) for name in changed)


def test_stored_pairs_are_those_of_the_data_in_order(tmp_path):
    model = build_model("conv4", SHAPE, 3)
    rest, stored = frozen_prefix(model, "block2", PAIRS, tmp_path, batch_size=7)
    assert torch.equal(stored.tensors[0], rest.read(IMAGES))
    assert torch.equal(stored.tensors[1], PAIRS.tensors[1])


def test_the_next_call_finds_them_and_an_interrupted_one_goes_on(tmp_path, monkeypatch):
    from imprint.on_maps import extraction

    monkeypatch.setattr(extraction, "CHUNK_BYTES", 1)
    model, asked = build_model("conv4", SHAPE, 3), []

    class Watched(torch.utils.data.Dataset):
        stop = True

        def __len__(self):
            return 7

        def __getitem__(self, row):
            asked.append(row)
            if self.stop and len(asked) > 8 and row == 5:
                raise KeyboardInterrupt
            return PAIRS[row]

    watched = Watched()
    with pytest.raises(KeyboardInterrupt):
        frozen_prefix(model, "block2", watched, tmp_path, batch_size=2)
    watched.stop = False
    _, stored = frozen_prefix(model, "block2", watched, tmp_path, batch_size=2)
    assert torch.equal(stored.tensors[1], PAIRS.tensors[1])
    asked.clear()
    frozen_prefix(model, "block2", watched, tmp_path, batch_size=2)
    assert len(asked) == 16  # those that are looked at, each twice, and a batch to compare with


def test_other_weights_or_data_are_refused(tmp_path):
    frozen_prefix(build_model("conv4", SHAPE, 3), "block2", PAIRS, tmp_path)
    with pytest.raises(InvalidValueError, match="expected maps of weights"):
        frozen_prefix(build_model("conv4", SHAPE, 3, seed=1), "block2", PAIRS, tmp_path)
    others = TensorDataset(IMAGES.flip(0), torch.arange(7) % 3)
    with pytest.raises(InvalidValueError, match="expected maps of data"):
        frozen_prefix(build_model("conv4", SHAPE, 3), "block2", others, tmp_path)


def test_the_same_weights_in_another_network_are_refused(tmp_path):
    def build(activation):
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(1, 2, 16), activation, nn.Flatten(), nn.Linear(2, 3))

    frozen_prefix(build(nn.ReLU()), "1", PAIRS, tmp_path)
    with pytest.raises(InvalidValueError, match="expected maps of weights"):
        frozen_prefix(build(nn.LeakyReLU()), "1", PAIRS, tmp_path)


def test_labels_that_were_changed_are_noticed(tmp_path):
    model = build_model("conv4", SHAPE, 3)
    frozen_prefix(model, "block2", PAIRS, tmp_path)
    mended = TensorDataset(IMAGES, (torch.arange(7) + 1) % 3)
    with pytest.raises(InvalidValueError, match="expected maps of data"):
        frozen_prefix(model, "block2", mended, tmp_path)


def test_augmented_data_are_refused(tmp_path):
    class Noisy(torch.utils.data.Dataset):
        def __len__(self):
            return 7

        def __getitem__(self, row):
            return torch.rand(SHAPE), 0

    with pytest.raises(InvalidValueError, match="dataset: expected the same image each time"):
        frozen_prefix(build_model("conv4", SHAPE, 3), "block2", Noisy(), tmp_path)


def test_an_augmentation_that_spares_the_first_image_is_noticed(tmp_path):
    class Flipped(torch.utils.data.Dataset):
        asked = 0

        def __len__(self):
            return 7

        def __getitem__(self, row):
            self.asked += 1
            return IMAGES[row].flip(-1) if row == 4 and self.asked > 7 else IMAGES[row], 0

    with pytest.raises(InvalidValueError, match="dataset: expected the same image each time"):
        frozen_prefix(build_model("conv4", SHAPE, 3), "block2", Flipped(), tmp_path)


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([], "at least one image, got none"),
        ([(torch.zeros(3), 0)], r"tensors \(C, H, W\), got \(3,"),
        ([(torch.zeros(SHAPE).byte(), 0)], "images as floats, got torch.uint8"),
        ([(torch.zeros(SHAPE), 0), (torch.zeros(1, 8, 8), 0)], r"one shape, .* got \(1, 8, 8\)"),
        ([(torch.zeros(SHAPE).double(), 0)], r"images that the model takes, got torch.float64: "),
        ([(torch.zeros(SHAPE), 0, 0)], r"pairs \(image, label\), got 3 values"),
        ([(torch.zeros(SHAPE), "cat")], "labels as numbers, got str"),
    ],
)
def test_what_are_no_images_is_refused(tmp_path, pairs, message):
    with pytest.raises(InvalidValueError, match=message):
        frozen_prefix(build_model("conv4", SHAPE, 3), "block2", pairs, tmp_path)


def test_a_batch_of_none_is_refused(tmp_path):
    with pytest.raises(InvalidValueError, match="batch_size: expected at least 1, got 0"):
        frozen_prefix(build_model("conv4", SHAPE, 3), "block2", PAIRS, tmp_path, batch_size=0)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_a_network_in_half_precision_keeps_it(tmp_path, kind):
    model = build_model("conv4", SHAPE, 3).to(kind).eval()
    pairs = TensorDataset(IMAGES.to(kind), PAIRS.tensors[1])
    rest, stored = frozen_prefix(model, "block2", pairs, tmp_path)
    assert stored.tensors[0].dtype == kind
    torch.testing.assert_close(rest(stored.tensors[0]), model(pairs.tensors[0]), rtol=0.02, atol=0)


def test_a_network_in_double_precision_is_refused():
    message = "layer 'block2': expected maps of float16, bfloat16, float32, got float64"
    model = build_model("conv4", SHAPE, 3).double()
    pairs = TensorDataset(IMAGES.double(), PAIRS.tensors[1])
    with pytest.raises(LayerError, match=message):
        frozen_prefix(model, "block2", pairs, "nowhere")


def test_a_network_that_does_not_take_the_images_is_told(tmp_path):
    model = build_model("conv4", (3, 16, 16), 3)
    message = r"model: expected a network for images \(1, 16, 16\) of torch.float32, "
    with pytest.raises(InvalidValueError, match=message):
        frozen_prefix(model, "block2", PAIRS, tmp_path)
    assert_untouched(model)


def test_maps_stay_as_they_are_where_what_follows_changes_its_input(tmp_path):
    head = [nn.SiLU(inplace=True), nn.Flatten(), nn.Linear(392, 3)]
    model = nn.Sequential(nn.Conv2d(1, 2, 3), *head)
    rest, stored = frozen_prefix(model, "0", PAIRS, tmp_path)
    maps = stored[:4][0]
    assert torch.equal(rest(maps), rest(maps))
