"""Gate and plan in the company that training loops keep, each against a loop without it."""

import contextlib
import copy
import gc
import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import ConcatDataset, DataLoader, IterableDataset, TensorDataset

import imprint
from imprint.errors import LayerError
from imprint.skipping import SkipGate, SkipPlan

pytestmark = pytest.mark.filterwarnings(
    "ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning",  # the compiler's own
    "ignore:.torch.jit.script_method. is deprecated:DeprecationWarning",
)


class Network(nn.Module):
    """Its own forward, so that a compiler has something to trace."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Conv2d(1, 8, 3), nn.Conv2d(8, 8, 3)
        self.head = nn.Linear(8, 3)

    def forward(self, images):
        maps = F.relu(self.second(F.relu(self.first(images))))
        return self.head(maps.mean((2, 3)))


def batch(n=16, seed=0, classes=3):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (n,), generator=generator)
    return torch.rand(n, 1, 8, 8, generator=generator), labels


def gate_of(model, **arguments):
    return SkipGate(model, **{"layer": "first", "num_classes": 3, "keep": 0.5, **arguments})


def step(model, gate, images, labels, *, around=contextlib.nullcontext):
    """One forward and backward pass; gives the logits of the rows that stayed, and their labels."""
    with around():
        if gate is None:
            logits, kept = model(images), labels
        else:
            with gate(labels):
                logits = model(images)
            kept = gate.labels
        loss = F.cross_entropy(logits, kept)
    loss.backward()
    return logits.detach(), kept


def train(model, gate, batches, *, learners=None, around=contextlib.nullcontext):
    """The loop: gives its network's parameters at the end, by name."""
    learners = learners or [torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)]
    for images, labels in batches:
        for learner in learners:
            learner.zero_grad()
        step(model, gate, images, labels, around=around)
        for learner in learners:
            learner.step()
    return dict(model.named_parameters())


def train_planned(model, plan, dataset, *, around=contextlib.nullcontext, epochs=3):
    learner = torch.optim.SGD(model.parameters(), lr=0.1)
    for index, (images, labels) in itertools.chain.from_iterable(
        itertools.repeat(DataLoader(imprint.indexed(dataset), sampler=plan, batch_size=8), epochs)
    ):
        learner.zero_grad()
        with around():
            losses = F.cross_entropy(model(images), labels, reduction="none")
        plan.record(index, losses)
        losses.mean().backward()
        learner.step()


def assert_equal(one, two, **tolerance):
    names = [name.removeprefix("_orig_mod.") for name in one]
    for name, left, right in zip(names, one.values(), two.values(), strict=True):
        if tolerance:
            torch.testing.assert_close(left, right, **tolerance, msg=lambda m, n=name: f"{n}: {m}")
        else:
            assert torch.equal(left, right), name


def grads(model):
    return {name: parameter.grad for name, parameter in model.named_parameters()}


def autocast():
    return torch.autocast("cpu", torch.bfloat16)


# Compiled networks


def has_compiler():
    from torch._inductor import config, cpp_builder
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        return bool(cpp_builder.get_cpp_compiler()) and bool(config.cpp.cxx)
    except InvalidCxxCompiler:
        return False


BACKENDS = ["eager", "aot_eager", "inductor"]


@pytest.fixture(params=BACKENDS)
def backend(request):
    if request.param == "inductor" and not has_compiler():
        pytest.skip("no C++ compiler")
    torch.compiler.reset()
    yield request.param
    torch.compiler.reset()


def compiled(model, backend, way):
    """A callable and the gate's place in it, for each way to compile a network."""
    if way == "torch.compile":
        return torch.compile(model, backend=backend), model, "first"
    if way == "the gate on the compiled one":
        whole = torch.compile(model, backend=backend)
        return whole, whole, "_orig_mod.first"
    if way == "model.compile":
        model.compile(backend=backend)
    else:
        model.first.compile(backend=backend)
    return model, model, "first"


WAYS = ["torch.compile", "the gate on the compiled one", "model.compile", "one layer"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("keep", [0.5, 1])
def test_a_compiled_network_is_gated_as_it_would_be_uncompiled(backend, way, keep):
    model, other = Network(), Network()
    run, holder, layer = compiled(model, backend, way)
    gate, twin = gate_of(holder, layer=layer, keep=keep), gate_of(other, keep=keep)
    for seed in range(3):
        images, labels = batch(seed=seed)
        logits, kept = step(run, gate, images, labels)
        expected, kept_there = step(other, twin, images, labels)
        assert torch.equal(kept, kept_there)
        torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-4)
        assert len(run(images)) == 16  # outside the block all rows stay
    assert_equal(grads(model), grads(other), atol=1e-5, rtol=1e-3)


def test_compiled_parts_are_compiled_still():
    torch.compiler.reset()
    graphs = []

    def count(graph, _inputs):
        graphs.append(graph)
        return graph.forward

    model = Network()
    run, gate = torch.compile(model, backend=count), gate_of(model)
    images, labels = batch()
    step(run, gate, images, labels)
    operations = [node.name for graph in graphs for node in graph.graph.nodes]
    assert any("conv2d" in name for name in operations)  # what follows the gate
    before = len(graphs)
    step(run, gate, *batch(seed=1))
    assert len(graphs) == before  # the second batch finds it compiled
    torch.compiler.reset()


def test_a_network_that_was_compiled_without_its_gate_says_what_to_do():
    torch.compiler.reset()
    model = Network()
    run, gate = torch.compile(model, backend="eager"), gate_of(model)
    images, labels = batch()
    run(images)
    with pytest.raises(LayerError, match=r"a compiled model must run there first.*reset\(\)"):
        step(run, gate, images, labels)
    torch.compiler.reset()  # as it says
    step(run, gate, images, labels)
    assert len(gate.labels) == 8
    torch.compiler.reset()


def test_a_validation_without_gradients_may_run_first():
    torch.compiler.reset()
    model = Network()
    run, gate = torch.compile(model, backend="eager"), gate_of(model)
    images, labels = batch()
    with torch.no_grad():
        run(images)
    step(run, gate, images, labels)
    assert len(gate.labels) == 8
    torch.compiler.reset()


def test_a_compiled_network_follows_a_plan(backend):
    model, other = Network(), Network()
    plans = [SkipPlan(48, keep=0.5, epochs=3) for _ in range(2)]
    dataset = TensorDataset(*batch(48))
    train_planned(torch.compile(model, backend=backend), plans[0], dataset)
    train_planned(other, plans[1], dataset)
    tolerance = {} if backend == "eager" else {"atol": 1e-5, "rtol": 1e-4}
    assert_equal(dict(model.named_parameters()), dict(other.named_parameters()), **tolerance)
    assert plans[0].epoch == plans[1].epoch == 3


# Mixed precision


@pytest.mark.parametrize("rule", ["imprint", "cosine", "random"])
def test_mixed_precision_gives_the_gradients_of_the_kept_rows(rule):
    model, other = Network(), Network()
    gate = gate_of(model, rule=rule)
    for seed in range(2):
        images, labels = batch(seed=seed)
        step(model, gate, images, labels, around=autocast)
        step(other, None, images[gate.index], labels[gate.index], around=autocast)
    assert len(gate.index) == 8
    assert gate.memory.prototypes.dtype == torch.float32
    assert_equal(grads(model), grads(other), atol=2e-2, rtol=2e-2)  # bf16 has 8 bits


def test_mixed_precision_at_keep_one_is_as_without_a_gate():
    model, other = Network(), Network()
    batches = [batch(seed=seed) for seed in range(3)]
    one = train(model, gate_of(model, keep=1), batches, around=autocast)
    assert_equal(one, train(other, None, batches, around=autocast))


def test_mixed_precision_with_a_plan_knows_the_losses():
    plan, model = SkipPlan(48, keep=0.5, epochs=3), Network()
    train_planned(model, plan, TensorDataset(*batch(48)), around=autocast)
    levels = plan.state_dict()["levels"]
    assert plan.epoch == 3
    assert (levels < 255).all()


# Gradient accumulation


@pytest.mark.parametrize("rule", ["imprint", "cosine", "random", "paper"])
def test_accumulated_sums_over_the_normalisers_are_the_joint_mean(rule):
    model, other = Network(), Network()
    gate = gate_of(model, rule=rule)
    kept, total = [], 0.0
    for seed, n in enumerate((16, 16, 7)):  # the last is smaller
        images, labels = batch(n, seed=seed)
        with gate(labels):
            logits = model(images)
        F.cross_entropy(logits, gate.labels, reduction="sum").backward()
        total += gate.normaliser
        kept.append((images[gate.index], gate.labels))
        gate.remember(images, labels)
    images, labels = (torch.cat(parts) for parts in zip(*kept, strict=True))
    F.cross_entropy(other(images), labels).backward()
    assert total == len(labels)
    mean = {name: gradient / total for name, gradient in grads(model).items()}
    assert_equal(mean, grads(other), atol=1e-6, rtol=1e-4)


def test_accumulation_with_a_plan_is_the_joint_mean():
    model, other = Network(), Network()
    plan = SkipPlan(48, keep=0.5, epochs=2, dense_start=0)
    dataset = TensorDataset(*batch(48))
    rows = []
    for index, (images, labels) in DataLoader(imprint.indexed(dataset), sampler=plan, batch_size=8):
        losses = F.cross_entropy(model(images), labels, reduction="none")
        plan.record(index, losses)
        (losses.sum() / 24).backward()
        rows.append(index)
    images, labels = dataset[torch.cat(rows)]
    F.cross_entropy(other(images), labels).backward()
    assert_equal(grads(model), grads(other), atol=1e-6, rtol=1e-4)


# Memory formats and optimizers


@pytest.mark.parametrize("keep", [0.5, 1])
def test_channels_last_is_gated_alike_and_stays_channels_last(keep):
    model, other = Network().to(memory_format=torch.channels_last), Network()
    seen = []
    model.second.register_forward_pre_hook(lambda _m, args: seen.append(args[0]))
    gates = gate_of(model, keep=keep), gate_of(other, keep=keep)
    for seed in range(2):
        images, labels = batch(seed=seed)
        wide = images.to(memory_format=torch.channels_last)
        logits, kept = step(model, gates[0], wide, labels)
        expected, kept_there = step(other, gates[1], images, labels)
        assert torch.equal(kept, kept_there)
        torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-4)
    assert_equal(grads(model), grads(other), atol=1e-5, rtol=1e-3)
    assert seen[-1].is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("keep", [0.5, 1])
def test_several_optimizers_learn_as_one_would(keep):
    def learners(model):
        parts = (model.first, nn.ModuleList([model.second, model.head]))
        return [torch.optim.SGD(part.parameters(), lr=0.1, momentum=0.9) for part in parts]

    model, other = Network(), Network()
    batches = [batch(seed=seed) for seed in range(3)]
    one = train(model, gate_of(model, keep=keep), batches, learners=learners(model))
    two = train(other, gate_of(other, keep=keep) if keep < 1 else None, batches)
    assert_equal(one, two)


def test_two_optimizers_take_turns_on_kept_rows_alone():
    model, other = Network(), Network()
    gate = gate_of(model)
    for turn, part in enumerate(("first", "head")):
        images, labels = batch(seed=turn)
        step(model, gate, images, labels)
        step(other, None, images[gate.index], labels[gate.index])
        for network in (model, other):
            torch.optim.SGD(getattr(network, part).parameters(), lr=0.1).step()
            network.zero_grad()
    parameters = dict(model.named_parameters()), dict(other.named_parameters())
    assert_equal(*parameters, atol=1e-6, rtol=1e-4)


# Streams and shards


class Stream(IterableDataset):
    """Samples without an end that is known beforehand, the same in each pass."""

    def __init__(self, count):
        self.count = count

    def __iter__(self):
        generator = torch.Generator().manual_seed(5)
        for _ in range(self.count):
            label = torch.randint(3, (), generator=generator)
            yield torch.rand(1, 8, 8, generator=generator), label


def test_two_passes_over_a_stream_without_length_end_in_the_same_state():
    states = []
    for _ in range(2):
        model = Network()
        gate = gate_of(model)
        loader = DataLoader(Stream(100), batch_size=16)
        with pytest.raises(TypeError):
            len(loader)
        train(model, gate, loader)
        states.append(gate.state_dict() | dict(model.named_parameters()))
    assert_equal(*states)
    assert states[0]["memory.counts"].sum() == 100


def test_what_a_gate_keeps_does_not_grow_with_the_stream():
    model = Network()
    gate = gate_of(model)
    tensors = []
    for count in (100, 400):
        train(model, gate, DataLoader(Stream(count), batch_size=16))
        model.zero_grad()
        gc.collect()
        alive = sum(type(thing) is torch.Tensor for thing in gc.get_objects())
        tensors.append((alive, sum(value.numel() for value in gate.state_dict().values())))
    assert tensors[0] == tensors[1]


def test_shards_of_several_sources_are_one_data_set_to_gate_and_plan():
    images, labels = batch(48)
    rows = ((0, 20), (20, 25), (25, 48))
    whole = TensorDataset(images, labels)
    shards = ConcatDataset([TensorDataset(images[a:b], labels[a:b]) for a, b in rows])
    states = []
    for dataset in (whole, shards):
        model, plan = Network(), SkipPlan(len(dataset), keep=0.5, epochs=3)
        train_planned(model, plan, dataset)
        gate = gate_of(model)
        train(model, gate, DataLoader(dataset, batch_size=8))
        parts = gate.state_dict() | plan.state_dict()
        states.append(parts | dict(model.named_parameters()))
    assert_equal(*states)


@pytest.mark.parametrize("rule", ["imprint", "cosine", "paper", "random"])
def test_memories_of_shards_merge_to_the_memory_of_all(rule):
    model = Network().eval()
    batches = [batch(seed=seed) for seed in range(4)]
    gates = [gate_of(model, rule=rule) for _ in range(3)]
    for gate, part in zip(gates, (batches[:1], batches[1:], batches), strict=True):
        for images, labels in part:
            gate.remember(images, labels)
    gates[0].memory.merge(gates[1].memory)
    merged, whole = gates[0].memory, gates[2].memory
    assert torch.equal(merged.counts, whole.counts)
    torch.testing.assert_close(merged.prototypes, whole.prototypes)


# Small and lopsided batches


@pytest.mark.parametrize("rule", ["imprint", "cosine", "random", "paper"])
def test_a_batch_of_one_trains_on_its_row(rule):
    model, other = Network(), Network()
    gate = gate_of(model, rule=rule)
    for seed in range(3):
        images, labels = batch(1, seed=seed)
        logits, kept = step(model, gate, images, labels)
        expected, _ = step(other, None, images, labels)
        assert torch.equal(kept, labels)
        assert torch.equal(logits, expected)
    assert_equal(grads(model), grads(other))


def test_a_batch_of_one_amid_others_leaves_the_state_finite():
    model = Network()
    gate = gate_of(model)
    train(model, gate, [batch(16), batch(1, seed=1), batch(16, seed=2), batch(1, seed=3)])
    assert gate.memory.counts.sum() == 34
    assert all(v.isfinite().all() for k, v in gate.state_dict().items() if k != "generator")


@pytest.mark.parametrize("rule", ["imprint", "cosine", "random", "paper"])
def test_a_class_that_is_absent_from_a_batch_keeps_what_was_known_of_it(rule):
    model = Network()
    gate = gate_of(model, rule=rule)
    images, labels = batch(16)
    step(model, gate, images, labels)
    gate.remember(images, labels)
    before = copy.deepcopy(gate.memory)
    images, labels = batch(16, seed=1, classes=2)
    other = copy.deepcopy(model)
    model.zero_grad()
    other.zero_grad()
    step(model, gate, images, labels)
    step(other, None, images[gate.index], labels[gate.index])
    assert torch.equal(gate.memory.prototypes[2], before.prototypes[2])
    assert gate.memory.counts[2] == before.counts[2]
    assert_equal(grads(model), grads(other), atol=1e-6, rtol=1e-4)


def test_a_plan_of_one_sample_and_batches_of_one():
    plan, model = SkipPlan(1, keep=0.5, epochs=3), Network()
    train_planned(model, plan, TensorDataset(*batch(1)))
    assert plan.epoch == 3
