"""FGSM, PGD and noise: by hand, by their bounds, by another library, and on real digits."""

import sys
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from imprint.errors import InvalidValueError, MissingExtraError
from imprint.robustness import (
    LOSSES,
    accuracy_over_epsilons,
    fgsm,
    log_odds,
    pgd,
    pixels_of,
    right_answers,
    sign_noise,
)
from imprint.robustness.attacks import uniform_noise


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def small(seed=0, dtype=torch.float64):
    """A network with a bend in it, for images (2, 4, 4) of 3 classes."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        layers = [nn.Conv2d(2, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(20, 3)]
        return nn.Sequential(*layers).to(dtype)


IMAGES = torch.rand(6, 2, 4, 4, generator=generator(), dtype=torch.float64)
LABELS = torch.tensor([0, 1, 2, 0, 1, 2])
MAKERS = {
    "fgsm": fgsm,
    "pgd": pgd,
    "pgd from chance": lambda *given, **named: pgd(*given, **named, generator=generator()),
    "log odds": partial(pgd, loss=log_odds),
    "noise": lambda _model, images, _labels, epsilon: sign_noise(
        images, epsilon=epsilon, generator=generator()
    ),
}


@pytest.mark.parametrize("loss", LOSSES.values(), ids=list(LOSSES))
def test_fgsm_of_a_linear_network_is_the_sign_of_its_weights(loss):
    """Of two classes, the loss grows along the difference of their weights."""
    weights = torch.tensor([[0.3, -2.0, 0.0, 1.0], [0.1, 4.0, 0.0, -1.0]])
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    model[1].weight.data = weights
    images = torch.tensor([[0.5, 0.9, 0.5, 0.05], [0.5, 0.5, 0.5, 0.5]]).view(2, 1, 2, 2)
    made = fgsm(model, images, torch.tensor([0, 1]), epsilon=0.2, loss=loss)
    expected = torch.tensor([[0.3, 1.0, 0.5, 0.0], [0.7, 0.3, 0.5, 0.7]])
    torch.testing.assert_close(made.flatten(1), expected)


def naive_pgd(model, images, labels, epsilon, steps, size):
    """As the paper has it, an image at a time."""
    rows = []
    for image, label in zip(images, labels, strict=True):
        now = image[None].clone()
        for _ in range(steps):
            leaf = now.clone().requires_grad_()
            nn.functional.cross_entropy(model(leaf), label[None]).backward()
            moved = now + size * leaf.grad.sign()
            now = torch.max(torch.min(moved, image + epsilon), image - epsilon).clamp(0, 1)
        rows.append(now)
    model.zero_grad()
    return torch.cat(rows)


@pytest.mark.parametrize(("steps", "size"), [(1, 0.1), (7, 0.03), (4, 1.0)])
def test_pgd_is_what_a_plain_loop_does(steps, size):
    model = small()
    made = pgd(model, IMAGES, LABELS, epsilon=0.1, steps=steps, step_size=size)
    expected = naive_pgd(model, IMAGES, LABELS, 0.1, steps, size)
    torch.testing.assert_close(made, expected, rtol=0, atol=1e-12)


def test_one_step_of_pgd_as_large_as_epsilon_is_fgsm():
    model = small()
    one = pgd(model, IMAGES, LABELS, epsilon=0.1, steps=1, step_size=0.1)
    torch.testing.assert_close(one, fgsm(model, IMAGES, LABELS, epsilon=0.1), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", MAKERS)
@given(epsilon=st.floats(0, 1), seed=st.integers(0, 20))
def test_no_pixel_moves_further_than_epsilon_or_out_of_range(name, epsilon, seed):
    images = torch.rand(3, 2, 4, 4, generator=generator(seed)).round(decimals=1)
    made = MAKERS[name](small(dtype=torch.float32), images, LABELS[:3], epsilon=epsilon)
    assert made.shape == images.shape
    assert made.dtype == images.dtype
    assert 0 <= made.min() <= made.max() <= 1
    assert (made - images).abs().max() <= epsilon + 1e-6  # one rounding
    assert not made.requires_grad


@pytest.mark.parametrize("name", MAKERS)
def test_epsilon_zero_gives_the_images_to_the_bit(name):
    assert torch.equal(MAKERS[name](small(), IMAGES, LABELS, epsilon=0.0), IMAGES)


def test_noise_is_as_large_as_it_may_be_and_has_no_favourite_direction():
    images = torch.full((4, 1, 50, 50), 0.5)
    change = sign_noise(images, epsilon=0.25, generator=generator()) - images
    assert set(change.flatten().tolist()) == {-0.25, 0.25}
    assert abs(change.mean()) < 0.25 * 4 / 100  # four standard errors


@pytest.mark.parametrize("name", ["pgd from chance", "noise"])
def test_the_same_seed_draws_the_same_and_global_state_is_not_asked(name):
    once = MAKERS[name](small(), IMAGES, LABELS, epsilon=0.1)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(99)
        again = MAKERS[name](small(), IMAGES, LABELS, epsilon=0.1)
    assert torch.equal(once, again)


def test_where_pgd_starts_is_within_epsilon_and_is_kept_where_no_gradient_leads_on():
    class Flat(nn.Module):
        def forward(self, images):
            return images.flatten(1)[:, :2] * 0 + torch.tensor([1.0, 0.0])

    images = torch.full((5, 1, 3, 3), 0.05)
    made = pgd(Flat(), images, torch.zeros(5).long(), epsilon=0.1, generator=generator())
    expected = (images + 0.1 * uniform_noise(images, generator())).clamp(0, 1)
    torch.testing.assert_close(made, expected)
    assert made.min() == 0


def test_log_odds_reach_what_cross_entropy_rounds_away():
    """Of a network that is sure, one loss has no gradient left, the other still has its sign."""
    sure = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False))
    sure[1].weight.data = torch.tensor([[1000.0, 0.0], [0.0, 1000.0]])
    image = torch.tensor([[[[0.9, 0.1]]]])
    label = torch.tensor([0])
    assert torch.equal(fgsm(sure, image, label, epsilon=0.5), image)
    made = fgsm(sure, image, label, epsilon=0.5, loss=log_odds)
    torch.testing.assert_close(made, torch.tensor([[[[0.4, 0.6]]]]))


def test_small_gradients_count():
    """captum takes what is below 1e-6 for zero, unless it is told otherwise."""
    model = small()
    model[3].weight.data *= 1e-9
    made = pgd(model, IMAGES, LABELS, epsilon=0.1, steps=1, step_size=0.1)
    assert (made != IMAGES).float().mean() > 0.9
    assert torch.equal(made, fgsm(model, IMAGES, LABELS, epsilon=0.1))


@pytest.mark.parametrize("size", [1, 3, 64])
def test_batches_of_any_size_give_the_same(known, size):
    images, labels = known.images[:64], known.labels[:64]
    for attack in (fgsm, partial(pgd, steps=5)):
        whole = accuracy_over_epsilons(known.model, images, labels, [0.1], attack=attack)
        parts = accuracy_over_epsilons(
            known.model, images, labels, [0.1], attack=attack, batch_size=size
        )
        assert whole == parts
    pixels = pixels_of(images)
    draws = generator()
    made = [
        pgd(known.model, *each, epsilon=0.1, steps=5, generator=draws)
        for each in zip(pixels.split(size), labels.split(size), strict=True)
    ]
    whole = pgd(known.model, pixels, labels, epsilon=0.1, steps=5, generator=generator())
    assert ((torch.cat(made) - whole).abs() > 1e-6).float().mean() < 0.01  # signs of rounded zeros


def test_epsilon_zero_is_the_clean_accuracy_to_the_image(known):
    clean = right_answers(known.model, pixels_of(known.images), known.labels).sum() / 1000
    for attack in (fgsm, pgd, partial(pgd, generator=generator())):
        found = accuracy_over_epsilons(
            known.model, known.images, known.labels, [0.0], attack=attack
        )
        assert found == [pytest.approx(clean.item(), abs=1e-6)]


def test_on_digits_an_attack_is_worse_than_noise_and_more_steps_are_worse_than_one(known):
    images, labels = known.images[:400], known.labels[:400]
    epsilons = [0.05, 0.1, 0.15]
    one = accuracy_over_epsilons(known.model, images, labels, epsilons)
    many = accuracy_over_epsilons(
        known.model, images, labels, epsilons, attack=partial(pgd, steps=10)
    )
    noise = accuracy_over_epsilons(known.model, images, labels, epsilons, attack=MAKERS["noise"])
    assert all(a <= b for a, b in zip(many, one, strict=True))
    assert one == sorted(one, reverse=True)
    assert many[1] < one[1] < noise[1] - 0.2
    assert noise[-1] > 0.9


@pytest.fixture(scope="module")
def foolbox():
    # foolbox 3.3.4 imports scipy.ndimage.filters, a name that scipy is about to drop.
    import warnings

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*scipy.ndimage.filters.*", DeprecationWarning)
        return pytest.importorskip("foolbox")


@pytest.mark.parametrize("epsilon", [0.1, 0.25])
def test_foolbox_agrees(known, foolbox, epsilon):
    """To 0.2 points; with the same steps and starts it is the same attack."""
    import eagerpy

    class SameStart(foolbox.attacks.LinfPGD):
        def get_random_start(self, x0, epsilon):
            return x0 + epsilon * eagerpy.astensor(uniform_noise(x0.raw, generator()))

    pixels, labels = pixels_of(known.images[:600]), known.labels[:600]
    judge = foolbox.PyTorchModel(known.model, bounds=(0, 1))
    several = {"steps": 10, "random_start": True, "rel_stepsize": 0.25}
    attacks = [
        (foolbox.attacks.FGSM(), fgsm),
        (SameStart(**several), partial(pgd, steps=10, generator=generator())),
    ]
    for theirs, ours in attacks:
        _, _, fooled = theirs(judge, pixels, labels, epsilons=epsilon)
        (accuracy,) = accuracy_over_epsilons(
            known.model, pixels, labels, [epsilon], attack=ours, batch_size=200
        )
        assert accuracy == pytest.approx(1 - fooled.float().mean().item(), abs=0.002)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"images": IMAGES * 255}, r"images: expected pixels in \[0, 1\]"),
        ({"images": (IMAGES * 255).byte()}, "images: expected floats"),
        ({"images": IMAGES - 0.5}, "images: expected pixels"),
        ({"images": IMAGES * torch.nan}, "images: expected pixels"),
        ({"epsilon": -0.1}, "epsilon: expected a size in"),
        ({"epsilon": 1.1}, "epsilon: expected a size in"),
        ({"epsilon": float("nan")}, "epsilon: expected a size in"),
        ({"epsilon": float("inf")}, "epsilon: expected a size in"),
    ],
)
def test_what_is_out_of_range_is_refused(change, said):
    given = {"images": IMAGES, "epsilon": 0.1} | change
    for make in (fgsm, pgd, MAKERS["noise"]):
        with pytest.raises(InvalidValueError, match=said):
            make(small(), given["images"], LABELS, epsilon=given["epsilon"])


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (LABELS[:1], r"labels: expected .* one an image; got \(1,\)"),
        (LABELS.int(), "labels: expected .* got .*int32"),
        (LABELS - 100, "labels: expected 0 or more, got -100"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels, said):
    for make in (fgsm, pgd):
        with pytest.raises(InvalidValueError, match=said):
            make(small(), IMAGES, labels, epsilon=0.1)
    with pytest.raises(InvalidValueError, match=said):
        accuracy_over_epsilons(small(), IMAGES, labels, [0.1])


@pytest.mark.parametrize(
    ("rows", "size", "said"),
    [
        (slice(0), 4, "images: expected at least one, got none"),
        (slice(None), 0, "batch_size: expected at least 1, got 0"),
        (slice(None), -1, "batch_size: expected at least 1, got -1"),
    ],
)
def test_an_accuracy_of_nothing_is_refused(rows, size, said):
    with pytest.raises(InvalidValueError, match=said):
        accuracy_over_epsilons(small(), IMAGES[rows], LABELS[rows], [0.1], batch_size=size)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"steps": 0}, "steps: expected at least 1"),
        ({"step_size": 0.0}, "step_size: expected in"),
        ({"step_size": float("nan")}, "step_size: expected in"),
    ],
)
def test_steps_out_of_range_are_refused(change, said):
    with pytest.raises(InvalidValueError, match=said):
        pgd(small(), IMAGES, LABELS, epsilon=0.1, **change)


def test_without_captum_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "captum.robust", None)
    with pytest.raises(MissingExtraError, match=r"imprint\[attack\]"):
        fgsm(small(), IMAGES, LABELS, epsilon=0.1)
