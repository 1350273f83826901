"""`attack` as a whole: the matrix, its controls, what it refuses, and what guests get back."""

import copy
from functools import partial

import pytest
import torch
from torch import nn

from imprint.attacking import AttackSettings, attack
from imprint.data import normalise
from imprint.errors import InvalidValueError
from imprint.models import build_model
from imprint.robustness import (
    accuracy_over_epsilons,
    fgsm,
    log_odds,
    on_pixels,
    pgd,
    right_answers,
    sign_noise,
    transferred,
)
from imprint.types import ImageSet, Normalisation

NAMES = ("cat", "dog", "owl")
EPSILONS = (0.04, 0.0, 0.02)
SCALE = Normalisation((0.4,) * 3, (0.2,) * 3)


def near(teacher, seed):
    """A network with a bend that answers about as the teacher does."""
    generator = torch.Generator().manual_seed(seed)
    model = nn.Sequential(nn.Flatten(), nn.Linear(432, 3), nn.Tanh())
    noise = torch.randn(3, 432, generator=generator)
    model[1].weight.data = (teacher + 0.4 * noise) / 40
    model[1].bias.data.zero_()
    return on_pixels(model, SCALE).eval()


@pytest.fixture(scope="module")
def teacher():
    return torch.randn(3, 432, generator=torch.Generator().manual_seed(7))


@pytest.fixture(scope="module")
def part(teacher):
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (40, 3, 12, 12), dtype=torch.uint8, generator=generator)
    labels = (normalise(pixels, SCALE).flatten(1) @ teacher.T).argmax(1)
    return ImageSet(pixels, labels, NAMES)


@pytest.fixture(scope="module")
def networks(teacher):
    return {"a": near(teacher, 0), "b": near(teacher, 1)}


@pytest.fixture(scope="module")
def found(networks, part):
    return attack(networks, part, settings=AttackSettings(epsilons=EPSILONS, batch_size=16))


def test_each_pair_of_networks_at_each_epsilon_is_as_the_functions_find_it(found, networks, part):
    rows = found.result["accuracy"]
    assert [row["epsilon"] for row in rows[::4]] == sorted(EPSILONS)
    assert len(rows) == 12
    assert len({row["accuracy"] for row in rows}) > 5
    for row in rows:
        judges = [networks[row["judged_on"]]]
        (count,) = transferred(
            networks[row["made_on"]], judges, part.images, part.labels, epsilon=row["epsilon"]
        )
        assert row["accuracy"] == count / 40


def test_epsilon_zero_is_the_clean_accuracy(found, networks, part):
    for row in found.result["networks"]:
        pixels = part.images.float() / 255
        clean = int(right_answers(networks[row["name"]], pixels, part.labels).sum()) / 40
        assert row == {"name": row["name"], "clean_accuracy": clean, "without_gradient": 0}
        at_zero = [
            other["accuracy"]
            for other in [*found.result["accuracy"], *found.result["noise"]]
            if other["judged_on"] == row["name"] and other["epsilon"] == 0
        ]
        assert at_zero == [clean] * 3


def test_noise_is_the_same_for_all_networks_and_as_the_function_makes_it(found, networks, part):
    for row in found.result["noise"]:
        generator = torch.Generator().manual_seed(0)
        noisy = sign_noise(part.images.float() / 255, epsilon=row["epsilon"], generator=generator)
        right = right_answers(networks[row["judged_on"]], noisy, part.labels)
        assert row["accuracy"] == int(right.sum()) / 40


@pytest.mark.parametrize("loss", ["cross-entropy", "log-odds"])
def test_settings_reach_the_attack(networks, part, loss):
    settings = AttackSettings(
        attack="pgd", epsilons=(0.02, 0.05), steps=3, step_size=0.004, seed=5, loss=loss
    )
    found = attack(networks["a"], part, settings=settings)
    for row in found.result["accuracy"]:
        maker = partial(
            pgd,
            steps=3,
            step_size=0.004,
            generator=torch.Generator().manual_seed(5),
            **({"loss": log_odds} if loss == "log-odds" else {}),
        )
        (expected,) = accuracy_over_epsilons(
            networks["a"], part.images, part.labels, [row["epsilon"]], attack=maker
        )
        assert row["accuracy"] == expected
        assert row["made_on"] == row["judged_on"] == "network"
    assert found.result["steps"] == 3
    assert found.result["step_size"] == 0.004


def test_examples_are_of_what_was_right_and_of_several_classes(found, networks, part):
    pixels = part.images.float() / 255
    for example in found.examples:
        model = networks[example.made_on]
        row = slice(example.row, example.row + 1)
        assert example.label == int(part.labels[example.row]) == example.answer.label
        assert torch.equal(example.image, pixels[example.row])
        assert [shot.epsilon for shot in example.shots] == [0.02, 0.04]
        for shot in example.shots:
            made = fgsm(model, pixels[row], part.labels[row], epsilon=shot.epsilon)
            torch.testing.assert_close(shot.image, made[0])
            assert shot.answer.label == int(model(made).argmax())
    told = found.result["examples"]
    assert [row["image"] for row in told] == [example.row for example in found.examples]


def test_the_same_call_gives_the_same_to_the_bit(networks, part):
    settings = AttackSettings(attack="pgd", epsilons=(0.05,), steps=2)
    first, second = (attack(networks, part, settings=settings) for _ in range(2))
    for one, other in zip(first.examples, second.examples, strict=True):
        assert torch.equal(one.shots[0].image, other.shots[0].image)
    assert first.result["accuracy"] == second.result["accuracy"]


def test_progress_is_told_to_the_end(networks, part):
    steps, rows = [], []
    settings = AttackSettings(epsilons=(0.0, 0.1), batch_size=16)
    found = attack(
        networks,
        part,
        settings=settings,
        on_batch=lambda done, total: steps.append((done, total)),
        on_row=rows.append,
    )
    assert steps[-1] == (160, 160)
    assert [done for done, _ in steps] == sorted({done for done, _ in steps})
    assert rows == found.result["accuracy"]


def test_guests_are_as_they_were(part):
    model = build_model("resnet8", (3, 12, 12), 3)
    model.layer3.eval()
    before, modes = copy.deepcopy(model.state_dict()), [m.training for m in model.modules()]
    state = torch.get_rng_state()
    attack(model, part, settings=AttackSettings(attack="pgd", steps=2, epsilons=(0.1,)))
    assert [m.training for m in model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


class Hidden(nn.Module):
    """Answers for every second image without a gradient."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, images):
        logits = self.model(images)
        odd = (images.flatten(1).sum(1) * 100).long() % 2 == 1
        return torch.where(odd[:, None], logits.detach(), logits)


def test_images_without_a_gradient_are_counted_and_named(networks, part, tmp_path):
    found = attack(Hidden(networks["a"]), part, settings=AttackSettings(epsilons=(0.1,)))
    count = found.result["networks"][0]["without_gradient"]
    assert 8 < count < 32
    page = found.to_html(tmp_path / "report.html").read_text()
    assert f"{count} of 40 images have no gradient on network" in page


def test_any_map_style_data_set_will_do(networks):
    pairs = [(torch.rand(3, 12, 12), name) for name in NAMES]
    found = attack(networks["a"], pairs, settings=AttackSettings(epsilons=(0.1,)))
    assert found.result["class_names"] == list(NAMES)
    assert found.result["images"] == 3


def test_networks_and_images_that_do_not_fit_are_refused(networks, part):
    wide = nn.Sequential(nn.Flatten(), nn.Linear(432, 4))
    other = nn.Sequential(nn.Flatten(), nn.Linear(431, 3))
    rounded = nn.Sequential(networks["a"], nn.Threshold(1e9, 0.0))
    none = ImageSet(part.images[:0], part.labels[:0], NAMES)
    for models, images, said in (
        ({"x": wide}, part, "x: model: expected 3 logits, one a class; got 4"),
        ({"y": other}, part, r"y: model: expected a network for images \(3, 12, 12\)"),
        ({"z": rounded}, part, "z: model: expected a gradient to its input, got zero"),
        ({}, part, "models: expected at least one"),
        ([other], part, "models: expected a network, or a dict of them by name; got list"),
        (networks, none, "images: expected at least one"),
    ):
        with pytest.raises(InvalidValueError, match=said):
            attack(models, images)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"attack": "magic"}, "attack: expected fgsm or pgd, got 'magic'"),
        ({"loss": "magic"}, "loss: expected cross-entropy or log-odds, got 'magic'"),
        ({"epsilons": ()}, "epsilon: expected at least one"),
        ({"epsilons": (0.1, -0.1)}, "epsilon: expected a size"),
        ({"epsilons": (8,)}, "epsilon: expected a size"),
        ({"epsilons": ("8",)}, "epsilon: expected a size .* got '8'"),
        ({"epsilons": (True,)}, "epsilon: expected a size .* got True"),
        ({"epsilons": 0.1}, "epsilons: expected a tuple of sizes, got 0.1"),
        ({"epsilons": (float("nan"),)}, "epsilon: expected a size"),
        ({"epsilons": (0.1, 0.2, 0.1)}, "epsilon: expected each once, got 0.1 twice"),
        ({"steps": 5}, "steps: expected none with fgsm"),
        ({"step_size": 0.1}, "step_size: expected none with fgsm"),
        ({"attack": "pgd", "steps": 0}, "steps: expected at least 1"),
        ({"attack": "pgd", "step_size": 2.0}, "step_size: expected in"),
        ({"seed": -1}, "seed: expected at least 0"),
        ({"batch_size": 0}, "batch_size: expected at least 1"),
        ({"examples": 0}, "examples: expected at least 1"),
    ],
)
def test_settings_out_of_range(given, said):
    with pytest.raises(InvalidValueError, match=said):
        AttackSettings(**given)


@pytest.mark.parametrize("kind", ["fgsm", "pgd"])
def test_of_a_sure_network_only_the_log_odds_have_a_gradient(kind):
    sure = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False))
    sure[1].weight.data = 1e4 * torch.eye(2)
    part = ImageSet(
        torch.tensor([230, 25], dtype=torch.uint8).view(1, 2, 1, 1), torch.tensor([0]), ("a", "b")
    )
    for loss, accuracy, without in (("cross-entropy", 1.0, 1), ("log-odds", 0.0, 0)):
        settings = AttackSettings(attack=kind, epsilons=(0.45,), loss=loss)
        found = attack(sure, part, settings=settings)
        assert found.result["accuracy"][0]["accuracy"] == accuracy
        assert found.result["networks"][0]["without_gradient"] == without
