import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from imprint.errors import InvalidValueError
from imprint.memory import ClassMemory


def batch(seed, n=12, d=6, classes=3):
    generator = torch.Generator().manual_seed(seed)
    signatures = torch.rand(n, d, generator=generator)
    return signatures, torch.randint(classes, (n,), generator=generator)


def cosine(a, b):
    norms = math.sqrt(math.fsum(x * x for x in a)) * math.sqrt(math.fsum(x * x for x in b))
    return math.fsum(x * y for x, y in zip(a, b, strict=True)) / norms if norms else 0.0


def naive_memory(batches, classes, width):
    """The paper's update equations, one class and one number at a time, in float64."""
    cached = [[0.0] * width for _ in range(classes)]
    threshold, count = [0.0] * classes, [0] * classes
    for signatures, labels in batches:
        for k in range(classes):
            new = [
                s
                for s, label in zip(signatures.double().tolist(), labels.tolist(), strict=True)
                if label == k
            ]
            n, b = count[k], len(new)
            if not b:
                continue
            cached[k] = [
                (v * n + math.fsum(column)) / (n + b)
                for v, column in zip(cached[k], zip(*new, strict=True), strict=True)
            ]
            epsilon = math.fsum(cosine(s, cached[k]) for s in new)
            threshold[k] = (threshold[k] * n + epsilon) / (n + b)
            count[k] = n + b
    return cached, threshold, count


@given(seed=st.integers(0, 60), steps=st.integers(1, 5))
def test_follows_the_papers_update_equations(seed, steps):
    batches = [batch(seed + 100 * i) for i in range(steps)]
    memory = ClassMemory(3)
    for signatures, labels in batches:
        memory.update(signatures, labels)
    cached, threshold, count = naive_memory(batches, 3, 6)
    torch.testing.assert_close(memory.prototypes, torch.tensor(cached), atol=1e-5, rtol=0)
    torch.testing.assert_close(memory.thresholds, torch.tensor(threshold), atol=1e-5, rtol=0)
    assert memory.counts.tolist() == count


@pytest.mark.parametrize("reading", ["text", "formula"])
@given(seed=st.integers(0, 60))
def test_hits_follow_the_papers_cases(reading, seed):
    memory = ClassMemory(3, reading=reading)
    memory.update(*batch(seed))
    signatures, labels = batch(seed + 1)
    match = memory.match(signatures, labels)
    for i, label in enumerate(labels.tolist()):
        near = [cosine(signatures[i].tolist(), p) for p in memory.prototypes.tolist()]
        best = max((k for k in range(3) if memory.counts[k]), key=lambda k: near[k])
        epsilon = memory.thresholds[label].item()
        if abs(near[label] - epsilon) < 1e-5:
            continue  # rounding decides
        passed = near[label] >= epsilon if reading == "text" else near[label] <= epsilon
        assert match.hit[i].item() == (passed and best == label and memory.counts[label] > 0)


@given(seed=st.integers(0, 60), order=st.permutations(range(4)))
def test_merges_in_any_order(seed, order):
    parts = []
    for i in range(4):
        parts.append(ClassMemory(3))
        parts[-1].update(*batch(seed + i))
    merged, shuffled = ClassMemory(3), ClassMemory(3)
    for i in range(4):
        merged.merge(parts[i])
        shuffled.merge(parts[order[i]])
    for name, tensor in merged.state_dict().items():
        torch.testing.assert_close(shuffled.state_dict()[name], tensor, atol=1e-12, rtol=0)
    whole = torch.cat([batch(seed + i)[0] for i in range(4)])
    labels = torch.cat([batch(seed + i)[1] for i in range(4)])
    for k in labels.unique():
        torch.testing.assert_close(merged.prototypes[k], whole[labels == k].mean(0))


@given(seed=st.integers(0, 60))
def test_order_within_a_batch_makes_no_difference(seed):
    signatures, labels = batch(seed)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    one, other = ClassMemory(3), ClassMemory(3)
    one.update(signatures, labels)
    other.update(signatures[order], labels[order])
    torch.testing.assert_close(one.thresholds, other.thresholds)


def test_decay_follows_a_network_that_moves():
    fresh, faithful = ClassMemory(2, decay=0.5), ClassMemory(2)
    for value in (0.0, 1.0):
        for _ in range(10):
            signatures, labels = torch.tensor([[value, 1.0]]), torch.tensor([0])
            fresh.update(signatures, labels)
            faithful.update(signatures, labels)
    assert faithful.prototypes[0, 0].item() == pytest.approx(0.5)
    assert fresh.prototypes[0, 0].item() > 0.99


def test_an_empty_memory_knows_nothing():
    match = ClassMemory(2).match(torch.rand(3, 4), torch.tensor([0, 1, 1]))
    assert not match.hit.any()
    assert not match.familiarity.any()


def test_a_class_not_yet_seen_is_never_near():
    memory = ClassMemory(3)
    memory.update(torch.tensor([[-1.0, 0.0]]), torch.tensor([1]))
    match = memory.match(torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([0, 1]))
    assert match.nearest.tolist() == [1, 1]
    assert not match.hit[0]


def test_a_dead_signature_gives_zero_not_nan():
    memory = ClassMemory(2)
    memory.update(torch.zeros(2, 3), torch.tensor([0, 1]))
    match = memory.match(torch.zeros(1, 3), torch.tensor([0]))
    assert match.familiarity.tolist() == [0.0]
    assert memory.thresholds.tolist() == [0.0, 0.0]


def test_state_makes_the_same_memory():
    memory, other = ClassMemory(3), ClassMemory(3)
    memory.update(*batch(0))
    other.load_state_dict(memory.state_dict())
    memory.update(*batch(1))
    other.update(*batch(1))
    assert all(torch.equal(other.state_dict()[k], v) for k, v in memory.state_dict().items())


@pytest.mark.parametrize(
    ("signatures", "labels", "message"),
    [
        (torch.rand(2, 5), torch.tensor([0, 1]), r"signatures: expected \(N, 6\), got \(2, 5\)"),
        (torch.rand(6), torch.tensor([0]), "signatures"),
        (torch.rand(2, 6), torch.tensor([0]), r"labels: expected \(2,\)"),
        (torch.rand(1, 6), torch.tensor([0.0]), "torch.float32"),
        (torch.rand(2, 6), torch.tensor([0, 3]), "labels: expected values in 0 … 2, got 0 … 3"),
        (torch.rand(2, 6), torch.tensor([-1, 0]), "got -1 … 0"),
    ],
)
def test_refuses_what_does_not_fit_and_stays_as_it_was(signatures, labels, message):
    memory = ClassMemory(3)
    memory.update(*batch(0))
    before = memory.state_dict()
    with pytest.raises(InvalidValueError, match=message):
        memory.update(signatures, labels)
    assert all(torch.equal(memory.state_dict()[k], v) for k, v in before.items())


def test_refuses_settings_out_of_range():
    for arguments in (
        {"num_classes": 1},
        {"num_classes": 2, "decay": 0},
        {"num_classes": 2, "decay": 1.1},
        {"num_classes": 2, "reading": "?"},
    ):
        with pytest.raises(InvalidValueError, match=list(arguments)[-1]):
            ClassMemory(**arguments)
    with pytest.raises(InvalidValueError, match="state"):
        ClassMemory(3).load_state_dict(ClassMemory(2).state_dict())
    one, other = ClassMemory(3), ClassMemory(3)
    one.update(*batch(0))
    other.update(*batch(0, d=5))
    with pytest.raises(InvalidValueError, match="other"):
        one.merge(other)
