import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from imprint.errors import InvalidValueError
from imprint.seeing import layer_maps, settled_from, settling
from imprint.signatures import signature


def cosine(one, other):
    dot = math.fsum(a * b for a, b in zip(one, other, strict=True))
    lengths = math.hypot(*one) * math.hypot(*other)
    return dot / lengths if lengths else 0.0


def mean_cosine(one, other):
    pairs = zip(one.double().tolist(), other.double().tolist(), strict=True)
    return math.fsum(cosine(a, b) for a, b in pairs) / len(one)


@given(e=st.integers(2, 5), n=st.integers(1, 4), d=st.integers(1, 6), seed=st.integers(0, 99))
def test_agrees_with_a_naive_loop(e, n, d, seed):
    epochs = torch.randn(e, n, d, generator=torch.Generator().manual_seed(seed))
    epochs[0, 0] = 0  # a dead signature is similar to nothing
    found = settling(epochs)
    expected = [mean_cosine(epochs[i], epochs[i + 1]) for i in range(e - 1)]
    assert found.to_next.tolist() == pytest.approx(expected, abs=1e-5)
    expected = [mean_cosine(epochs[i], epochs[-1]) for i in range(e - 1)]
    assert found.to_last.tolist() == pytest.approx(expected, abs=1e-5)
    listed = settling(list(epochs))
    assert torch.equal(listed.to_next, found.to_next)
    assert torch.equal(
        settling(epochs * 3).to_last.round(decimals=4), found.to_last.round(decimals=4)
    )


@given(values=st.lists(st.sampled_from([0.1, 0.5, 0.99, 1.0, math.nan]), min_size=1, max_size=8))
def test_settled_from_is_the_first_epoch_from_which_it_holds_for_good(values):
    held = [all(value >= 0.99 for value in values[i:]) for i in range(len(values))]
    expected = held.index(True) if True in held else None
    assert settled_from(torch.tensor(values, dtype=torch.float64)) == expected


def test_another_limit_settles_earlier():
    similarities = torch.tensor([0.5, 0.95, 0.97, 0.995])
    limits = (0.4, 0.9, 0.96, 0.99, 1.0)
    assert [settled_from(similarities, limit=limit) for limit in limits] == [0, 1, 2, 3, None]


@pytest.mark.parametrize(
    "signatures",
    [
        [],
        torch.ones(1, 3, 2),
        torch.ones(3, 2),
        [torch.ones(3, 2), torch.ones(4, 2)],
        [torch.ones(3, 2), torch.ones(3, 3)],
        torch.ones(2, 0, 2),
        torch.full((2, 1, 2), torch.nan),
    ],
)
def test_refuses_what_are_no_signatures_of_epochs(signatures):
    with pytest.raises(InvalidValueError, match="signatures: expected"):
        settling(signatures)


def test_refuses_other_similarities_and_limits():
    for bad in (torch.ones(0), torch.ones(2, 2)):
        with pytest.raises(InvalidValueError, match="similarities: expected"):
            settled_from(bad)
    with pytest.raises(InvalidValueError, match="limit: expected a similarity"):
        settled_from(torch.ones(2), limit=1.5)


def test_on_digits_a_layer_settles_while_the_rate_falls(trained):
    import copy

    model = copy.deepcopy(trained.model)
    images = trained.images[:200]
    epochs = []
    for epoch in range(6):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.2 * 0.3**epoch)
        for rows in torch.arange(600).split(50):
            logits = model(trained.images[rows])
            loss = torch.nn.functional.cross_entropy(logits, trained.labels[rows].roll(1))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        epochs.append(signature(layer_maps(model, images, layers=["relu2"])[0].maps))
    found = settling(epochs)
    assert found.to_next[-1] > found.to_next[0]
    assert settled_from(found.to_next, limit=0.999) in range(1, 5)
