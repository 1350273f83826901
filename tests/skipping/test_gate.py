import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from imprint.errors import InvalidValueError, LayerError
from imprint.memory import ClassMemory
from imprint.models import build_model
from imprint.signatures import signature
from imprint.skipping import RULES, SkipGate
from imprint.taps import maps_at


def batch(n=16, seed=0, classes=10):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (n,), generator=generator)
    return torch.rand(n, 1, 28, 28, generator=generator), labels


@pytest.fixture
def model():
    return build_model("conv4", (1, 28, 28), 10)


def gate_of(model, **arguments):
    return SkipGate(model, **{"layer": "block1", "num_classes": 10, **arguments})


@pytest.mark.parametrize("rule", RULES)
def test_what_follows_the_layer_runs_on_the_kept_rows_alone(model, rule):
    gate = gate_of(model, rule=rule, keep=0.25)
    images, labels = batch()
    seen = []
    model.block2.register_forward_pre_hook(lambda _m, args: seen.append(len(args[0])))
    for _ in range(2):
        seen.clear()
        with gate(labels):
            logits = model(images)
    assert seen[-1] == len(logits) == len(gate.labels) == len(gate.index) == gate.normaliser
    assert torch.equal(gate.labels, labels[gate.index])
    if gate.rule.exact:
        assert len(logits) == 4


def test_kept_rows_are_the_rows_that_the_model_would_give(model):
    model.eval()
    images, labels = batch()
    gate = gate_of(model)
    with gate(labels):
        logits = model(images)
    torch.testing.assert_close(logits, model(images)[gate.index], atol=1e-5, rtol=1e-4)


def test_gradients_are_those_of_the_kept_rows(model):
    model.eval()  # batch norm would otherwise mix rows
    other = copy.deepcopy(model)
    images, labels = batch()
    gate = gate_of(model)
    with gate(labels):
        logits = model(images)
    F.cross_entropy(logits, gate.labels).backward()
    F.cross_entropy(other(images[gate.index]), labels[gate.index]).backward()
    for one, two in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(one.grad, two.grad, atol=1e-5, rtol=1e-3)


def test_at_keep_one_training_is_as_without_a_gate(model):
    other = copy.deepcopy(model)
    gate = gate_of(model, keep=1.0)
    for network, gated in ((model, True), (other, False)):
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
        for seed in range(3):
            images, labels = batch(seed=seed)
            if gated:
                with gate(labels):
                    logits = network(images)
                labels = gate.labels
            else:
                logits = network(images)
            optimizer.zero_grad()
            F.cross_entropy(logits, labels).backward()
            optimizer.step()
    for one, two in zip(model.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(one, two)


@pytest.mark.parametrize("deviation", ["population", "paper"])
def test_the_memory_is_fed_with_signatures_of_the_layer(model, deviation):
    images, labels = batch()
    model.eval()
    gate = gate_of(model, rule="cosine", deviation=deviation)
    with gate(labels):
        model(images)
    memory = ClassMemory(10)
    memory.update(signature(maps_at(model, "block1", images), deviation=deviation), labels)
    torch.testing.assert_close(gate.memory.prototypes, memory.prototypes)


def test_the_paper_remembers_after_the_step(model):
    images, labels = batch()
    gate = gate_of(model, rule="paper", reading="formula", deviation="paper")
    with gate(labels):
        model(images)
    assert not gate.memory.counts.any()
    before = copy.deepcopy(model.state_dict())
    gate.remember(images, labels)
    assert gate.memory.counts.sum() == 16
    assert model.training
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    as_in_a_step = ClassMemory(10)
    as_in_a_step.update(
        signature(model.block1(images), deviation="paper"), labels
    )  # batch norm by the batch
    torch.testing.assert_close(gate.memory.prototypes, as_in_a_step.prototypes)


def test_leaves_the_model_and_global_randomness_as_they_were(model):
    images, labels = batch()
    state = torch.get_rng_state()
    gate = gate_of(model, rule="random")

    def fail():
        with gate(labels):
            model(images)
            raise ValueError("planted")

    with pytest.raises(ValueError, match="planted"):
        fail()
    for module in model.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
    assert model.training
    assert torch.equal(torch.get_rng_state(), state)
    assert len(model(images)) == 16


def test_tokens_and_vectors_can_be_gated_too():
    encoder = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)

    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.encoder, self.head = nn.Linear(28, 8), encoder, nn.Linear(8, 10)

        def forward(self, images):
            return self.head(self.encoder(self.embed(images[:, 0])).mean(1))

    images, labels = batch()
    for layer in ("embed", "encoder", "head"):
        model = Tokens()
        gate = gate_of(model, layer=layer)
        with gate(labels):
            logits = model(images)
        assert len(logits) == 8


def test_a_layer_that_data_pass_around_is_refused_at_construction_or_first_batch():
    model = build_model("resnet20", (1, 28, 28), 10)
    images, labels = batch()
    with pytest.raises(LayerError, match=r"layer1\.0\.conv1.*would do: stem"):
        gate_of(model, layer="layer1.0.conv1", example=images)
    gate = gate_of(model, layer="layer1.0.conv1")
    before = model.state_dict()
    with pytest.raises(LayerError, match="would do"), gate(labels):
        model(images)
    assert all(torch.equal(model.state_dict()[k], v) for k, v in before.items())
    assert not gate.memory.counts.any()


def test_a_layer_that_sees_no_batch_is_refused(model):
    used = model[:7]
    model.spare = nn.Linear(2, 2)
    model.forward = used.forward
    images, labels = batch()
    gate = gate_of(model, layer="spare")
    with pytest.raises(LayerError, match="'spare'"), gate(labels):
        model(images)
    gate = gate_of(model)
    with pytest.raises(LayerError, match="did not run"), gate(labels):
        pass


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.zeros(16), "torch.float32"),
        (torch.zeros(16, 1).long(), r"expected \(N,\)"),
        (torch.zeros(15).long(), "got 15 for maps"),
        (torch.full((16,), 10), "expected values in 0 … 9, got 10 … 10"),
    ],
)
def test_labels_that_do_not_fit_are_refused(model, labels, message):
    gate = gate_of(model)
    with pytest.raises(InvalidValueError, match=message), gate(labels):
        model(batch()[0])


def test_settings_out_of_range_are_refused_at_construction(model):
    with pytest.raises(LayerError, match="got 'blok1'"):
        gate_of(model, layer="blok1")
    for arguments, message in (
        ({"keep": 0}, "keep"),
        ({"keep": 1.01}, "keep"),
        ({"rule": "x"}, "rule"),
        ({"num_classes": 1}, "num_classes"),
        ({"decay": 2}, "decay"),
    ):
        with pytest.raises(InvalidValueError, match=message):
            gate_of(model, **arguments)
    gate = gate_of(model)
    with pytest.raises(InvalidValueError, match="forward pass within"):
        _ = gate.labels


@pytest.mark.parametrize("n", [1, 2, 3])
def test_small_batches_keep_at_least_what_batch_norm_needs(model, n):
    gate = gate_of(model, keep=0.01)
    images, labels = batch(n)
    with gate(labels):
        logits = model(images)
    assert len(logits) == min(n, 2)


def test_an_overflowed_row_stays_and_is_not_remembered(model):
    images, labels = batch()
    images[3] = torch.inf
    model.eval()
    gate = gate_of(model, keep=0.2)
    with gate(labels):
        model(images)
    assert 3 in gate.index
    assert gate.memory.counts.sum() == 15
    assert gate.memory.prototypes.isfinite().all()


@pytest.mark.parametrize("rule", ["imprint", "random"])
def test_state_makes_the_same_gate(model, rule):
    gate, other = gate_of(model, rule=rule), gate_of(model, rule=rule, seed=5)
    for seed in range(3):
        with gate(batch(seed=seed)[1]):
            model(batch(seed=seed)[0])
    other.load_state_dict(gate.state_dict())
    images, labels = batch(seed=9)
    model.eval()
    kept = []
    for one in (gate, other):
        with one(labels):
            model(images)
        kept.append(one.index)
    assert torch.equal(*kept)


def test_a_state_without_its_random_generator_is_refused(model):
    gate = gate_of(model)
    state = gate.state_dict()
    del state["generator"]
    with pytest.raises(InvalidValueError, match="state: expected a generator"):
        gate.load_state_dict(state)


def test_works_under_automatic_mixed_precision(model):
    images, labels = batch()
    gate = gate_of(model)
    with torch.autocast("cpu", dtype=torch.bfloat16), gate(labels):
        logits = model(images)
    assert logits.dtype == torch.bfloat16
    assert gate.memory.prototypes.dtype == torch.float32


def test_a_gate_first_used_in_inference_mode_can_train_later(model):
    images, labels = batch()
    gate = gate_of(model)
    with torch.inference_mode(), gate(labels):
        model(images)
    with gate(labels):
        logits = model(images)
    F.cross_entropy(logits, gate.labels).backward()
    assert gate.memory.counts.sum() == 32


def test_a_model_that_gives_its_own_loss_is_refused_and_numbers_as_input_are_not():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.head = nn.Linear(784, 8), nn.Linear(8, 10)

        def forward(self, temperature, images, labels=None):
            logits = self.head(self.embed(images.flatten(1))) / temperature
            return logits if labels is None else logits.square().mean()

    model = Own()
    images, labels = batch()
    gate = gate_of(model, layer="embed")
    with gate(labels):
        assert len(model(torch.tensor(2.0), images)) == 8
    with pytest.raises(LayerError, match="'embed'"), gate_of(model, layer="embed")(labels):
        model(2.0, images, labels)


def test_labels_to_remember_must_be_one_a_row(model):
    images, labels = batch()
    with pytest.raises(InvalidValueError, match=r"labels: expected one a row .* got 3"):
        gate_of(model, rule="paper").remember(images, labels[:3])
