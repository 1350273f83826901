"""Whether there is a gradient to climb: a branch without one is not mistaken for strength."""

import pytest
import torch
from torch import nn

from imprint.errors import InvalidValueError
from imprint.robustness import (
    accuracy_over_epsilons,
    check_attackable,
    fgsm,
    input_gradients,
    log_odds,
    on_pixels,
    pixels_of,
    right_answers,
    transferred,
)
from imprint.types import Normalisation


class Early(nn.Module):
    """Answers what it is sure of out of a store, which has no gradient; the rest by a network."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, images):
        logits = self.network(images)
        with torch.no_grad():
            stored = nn.functional.one_hot(logits.argmax(1), logits.shape[1]) * 10.0
            sure = logits.softmax(1).amax(1) > 0.9
        return torch.where(sure[:, None], stored, logits)


def test_gradients_are_those_of_autograd(known):
    pixels, labels = pixels_of(known.images[:5]), known.labels[:5]
    leaf = pixels.clone().requires_grad_()
    nn.functional.cross_entropy(known.model(leaf), labels, reduction="sum").backward()
    known.model.zero_grad()
    torch.testing.assert_close(input_gradients(known.model, pixels, labels), leaf.grad)


def test_the_two_losses_have_gradients_of_equal_signs(known):
    model = known.model.double()
    pixels, labels = pixels_of(known.images[:50]).double(), known.labels[:50]
    one = input_gradients(model, pixels, labels)
    other = input_gradients(model, pixels, labels, loss=log_odds)
    known.model.float()
    ratio = one.flatten(1).norm(dim=1) / other.flatten(1).norm(dim=1)
    sure = ratio > 1e-9  # beyond, even float64 rounds the cross entropy
    assert sure.sum() > 40
    scaled = other[sure] * ratio[sure].view(-1, 1, 1, 1)
    torch.testing.assert_close(one[sure], scaled, rtol=1e-4, atol=1e-9)


def test_answers_that_leave_early_hide_their_gradient_and_nothing_else(known):
    """An attack on the branch is blind; made on what lies behind, it fools the whole."""
    early = Early(known.model)
    images, labels = known.images[:500], known.labels[:500]
    pixels = pixels_of(images)
    gradients = input_gradients(early, pixels, labels).flatten(1)
    left_early = known.model(pixels).softmax(1).amax(1) > 0.9
    assert torch.equal(~gradients.any(1), left_early)
    assert torch.equal(
        right_answers(early, pixels, labels), right_answers(known.model, pixels, labels)
    )
    (blind,) = accuracy_over_epsilons(early, images, labels, [0.15])
    (adaptive,) = transferred(known.model, [early], images, labels, epsilon=0.15)
    assert blind > adaptive / 500 + 0.3
    (own,) = accuracy_over_epsilons(known.model, images, labels, [0.15])
    assert adaptive / 500 == own


class Detached(nn.Flatten):
    def forward(self, images):
        return super().forward(images).detach()


class Chosen(nn.Flatten):
    def forward(self, images):
        return nn.functional.one_hot(super().forward(images).argmax(1), 4).float()


class Numbers(nn.Flatten):
    def forward(self, images):
        return super().forward(images).argmax(1)


class Apart(nn.Module):
    """Its logits have a gradient, but not to the images."""

    def __init__(self):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(1, 4))

    def forward(self, images):
        return self.bias.expand(len(images), 4)


class Rounded(nn.Flatten):
    def forward(self, images):
        return (super().forward(images) * 4).round()


class Broken(nn.Flatten):
    def forward(self, images):
        return super().forward(images) * torch.nan


class Refusing(nn.Flatten):
    def forward(self, images):
        raise ValueError("too\nsmall")


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (Refusing(), r"model: expected a network for images \(1, 2, 2\) of .*, too small"),
        (Detached(), "model: expected logits with a gradient to its input, got none"),
        (Chosen(), "model: expected logits with a gradient to its input, got none"),
        (Apart(), "model: expected logits with a gradient to its input, got none"),
        (Numbers(), r"model: expected logits \(2, K\) for 2 images"),
        (Rounded(), "model: expected a gradient to its input, got zero in all pixels of 2"),
        (Broken(), "model: expected a finite gradient to its input"),
        (nn.Sequential(nn.Flatten(), nn.Linear(7, 4)), r"model: expected a network for images \(1"),
        (nn.Sequential(nn.Flatten(), nn.Linear(4, 1)), "K of 2 or more"),
        (nn.Sequential(nn.Flatten(), nn.Linear(4, 3)), "model: expected 4 logits, one a class"),
    ],
)
def test_what_cannot_be_attacked_is_named(model, said):
    images = torch.rand(2, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    with pytest.raises(InvalidValueError, match=said):
        check_attackable(model, images, torch.tensor([0, 1]), classes=4)


def test_labels_that_a_network_does_not_have_are_named():
    with pytest.raises(InvalidValueError, match="labels: expected 0 to 3"):
        check_attackable(nn.Flatten(), torch.rand(2, 1, 2, 2), torch.tensor([0, 4]))


def test_an_attack_that_finds_rows_missing_says_so():
    class Fewer(nn.Flatten):
        def forward(self, images):
            return super().forward(images)[:1]

    with pytest.raises(InvalidValueError, match=r"expected logits \(2, K\) for 2 images"):
        fgsm(Fewer(), torch.rand(2, 1, 2, 2), torch.tensor([0, 1]), epsilon=0.1)


def test_normalisation_inside_gives_to_the_bit_what_training_gave():
    from imprint.data import normalise

    images = torch.arange(256, dtype=torch.uint8).view(32, 2, 2, 2)
    scale = Normalisation((0.1307, 0.7), (0.3081, 0.11))
    model = on_pixels(nn.Identity(), scale)
    assert torch.equal(model(pixels_of(images)), normalise(images, scale))
    assert not [name for name in model.state_dict() if name]
