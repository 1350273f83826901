import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from imprint.data import load, normalisation, normalise
from imprint.early_exit import EarlyExit, Exit, Outcomes, Promise, calibrated
from imprint.early_exit.calibration import choose_exits, choose_layers, fit_heads, step_through
from imprint.early_exit.heads import HEAD_KINDS
from imprint.early_exit.held_out import answer_held_out
from imprint.early_exit.readings import read_layers
from imprint.early_exit.routes import Costs, first_exits, tally_of
from imprint.errors import DamagedFileError, InvalidValueError, LayerError
from imprint.models import build_model
from imprint.types import ImageSet

LAYERS = ["pool1", "pool2", "relu3"]
COSTS = Costs(torch.tensor([0.3, 0.6, 0.9]), torch.tensor([0.01, 0.01, 0.01]), 1.0)


@pytest.fixture(scope="module")
def digits():
    """MNIST, and the paper's network after a few hundred steps."""
    splits = load("mnist")
    scale = normalisation(splits.train.images)
    model = build_model("paper", (1, 28, 28), 10)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    images = normalise(splits.train.images[:12000], scale)
    labels = splits.train.labels[:12000]
    for rows in torch.arange(12000).split(64):
        loss = nn.functional.cross_entropy(model(images[rows]), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    # shuffled: the first 5,000 test images were written by others than the rest, and a monitor
    # would rightly tell
    order = torch.randperm(10000, generator=torch.Generator().manual_seed(0))
    test = replace(splits.test, images=splits.test.images[order], labels=splits.test.labels[order])
    return model.eval(), (images, labels), test, scale


@pytest.fixture(scope="module")
def outcomes(digits):
    model, (images, labels), test, scale = digits
    heads = fit_heads(read_layers(model, LAYERS, [(images[:6000], labels[:6000])]))
    held = [
        (normalise(test.images[k : k + 999], scale), test.labels[k : k + 999])
        for k in range(0, 10000, 999)
    ]
    return answer_held_out(model, LAYERS, heads, held).outcomes


def test_deeper_layers_and_probes_know_more(outcomes):
    right = {kind: own.right.double().mean(1).tolist() for kind, own in outcomes.items()}
    for kind in HEAD_KINDS:
        assert right[kind][0] < right[kind][1]
    assert right["prototype"][0] < right["probe"][0] < right["mlp"][0]
    assert right["mlp"][1] > 0.95


def test_surer_answers_are_right_more_often(outcomes):
    for own in outcomes.values():
        for margins, right in zip(own.margins, own.right, strict=True):
            order = margins.argsort(descending=True)
            assert right[order[:3000]].double().mean() > right[order[-3000:]].double().mean() + 0.05


def test_the_promise_holds_over_200_draws(outcomes):
    """The extra error on all images exceeds the limit as seldom as was promised."""
    promise, own = Promise(0.01, 0.9), outcomes["mlp"]
    generator = torch.Generator().manual_seed(0)
    broken = opened = 0
    for seed in range(200):
        rows = torch.randint(0, 10000, (1500,), generator=generator)
        drawn = own.of(samples=rows)
        choice = choose_exits({"mlp": drawn}, {"mlp": COSTS}, promise, seed=seed)
        if not choice.layers:
            continue
        opened += 1
        chosen = own.of(layers=list(choice.layers))
        exits = first_exits(chosen.margins, torch.tensor(choice.thresholds))
        tally = tally_of(chosen, exits)
        broken += tally.harms - tally.gains > 0.01 * tally.samples
    assert opened > 150
    assert broken / 200 <= 0.1 + 3 * math.sqrt(0.1 * 0.9 / 200)


def test_a_looser_promise_saves_more_time(outcomes):
    times = []
    for limit in (0.001, 0.005, 0.05):
        choice = choose_exits({"probe": outcomes["probe"]}, {"probe": COSTS}, Promise(limit, 0.95))
        times.append(min((own.time for own in choice.curve if own.holds), default=1.0))
    assert times == sorted(times, reverse=True)
    assert times[0] > times[2]
    assert times[2] < 0.7


def test_a_layer_that_knows_nothing_is_not_taken(outcomes):
    own = outcomes["mlp"]
    blind = Outcomes(
        torch.cat([torch.rand(1, 10000), own.margins[1:2]]),
        torch.cat([torch.rand(1, 10000) < 0.1, own.right[1:2]]),
        own.full_right,
    )
    costs = Costs(torch.tensor([0.1, 0.5]), torch.tensor([0.05, 0.05]), 1.0)
    assert choose_exits({"mlp": blind}, {"mlp": costs}, Promise()).layers == (1,)


@pytest.mark.parametrize(
    ("idle", "most", "layers"),
    [
        ([0.01, 0.01], 0.03, [0, 1]),
        ([0.01, 0.03], 0.03, [0]),
        ([0.01, 0.03], 0.05, [0, 1]),
        ([0.50, 0.01], 0.03, [0]),  # one alone may cost what it likes
        ([0.00, 0.50], 0.03, [0, 1]),  # the first one costs nothing, as a first network does
        ([0.50, 0.00], 0.03, [0, 1]),
    ],
)
def test_exits_that_would_cost_too_much_where_none_answers_are_not_taken(idle, most, layers):
    # the first layer answers half of the samples, the second one the others
    margins = torch.tensor([[9.0, 9, 0, 0], [9.0, 9, 9, 9]])
    right = torch.tensor([[True, True, False, False], [True, True, True, True]])
    outcomes = Outcomes(margins, right, torch.ones(4).bool())
    costs = Costs(torch.tensor([0.1, 0.6]), torch.zeros(2), 1.0, idle=torch.tensor(idle))
    ladder = torch.tensor([[5.0, 5.0]])
    assert choose_layers(outcomes, ladder, costs, 0.0, most)[0] == layers


def test_steps_go_from_strict_to_loose(outcomes):
    thresholds = torch.tensor([[9.0, 9.0, 9.0], [9.0, 9.0, 9.0], [3.0, 4.0, 5.0], [0.0, 0.0, 0.0]])
    steps = list(step_through(outcomes["probe"], thresholds, COSTS))
    assert len(steps) == 3
    assert steps[-1].seconds == pytest.approx(0.31)
    assert [step.seconds for step in steps] == sorted((s.seconds for s in steps), reverse=True)


def calibrated_on(digits, count=3000, **options):
    model, (images, labels), test, scale = digits
    held = replace(
        test, images=test.images[:count], labels=test.labels[:count], normalisation=scale
    )
    pairs = torch.utils.data.TensorDataset(images[:4000], labels[:4000])
    given = {"max_extra_error": 0.01, "layers": LAYERS, **options}
    return EarlyExit.calibrate(model, fit_on=pairs, promise_on=held, **given)


@pytest.fixture
def fixed_costs(monkeypatch):
    """Costs that no noise of the machine touches."""
    monkeypatch.setattr(
        calibrated, "measure_costs", lambda *_, **__: dict.fromkeys(HEAD_KINDS, COSTS)
    )


@pytest.fixture(scope="module")
def calibrated_exits(digits):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            calibrated, "measure_costs", lambda *_, **__: dict.fromkeys(HEAD_KINDS, COSTS)
        )
        return calibrated_on(digits)


def test_exits_of_a_real_network_are_kept_and_loaded(digits, calibrated_exits, tmp_path):
    model, _, test, scale = digits
    exits = calibrated_exits
    assert exits.exits
    assert exits.tested == 2000
    images, labels = normalise(test.images[3000:], scale), test.labels[3000:]
    routes = []
    with torch.no_grad():
        full = model(images).argmax(1)
        with exits(model, routes.append):
            early = model(images)
    extra = (full == labels).double().mean() - (early.argmax(1) == labels).double().mean()
    assert extra <= 0.01 + 0.005  # the limit, and what 7,000 images may be off by
    assert (routes[0].taken < len(exits.exits)).double().mean() > 0.3
    loaded = EarlyExit.load(exits.save(tmp_path / "exits.safetensors"))
    with torch.no_grad(), loaded(model):
        assert model(images).equal(early)
    assert (loaded.promise, loaded.kind, loaded.tested) == (
        exits.promise,
        exits.kind,
        exits.tested,
    )


@pytest.mark.usefixtures("fixed_costs")
def test_the_model_and_the_random_state_are_left_as_they_were(digits):
    model = digits[0]
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    modes, state = [module.training for module in model.modules()], torch.get_rng_state()
    calibrated_on(digits, kinds=["probe"])
    assert all(value.equal(weights[name]) for name, value in model.state_dict().items())
    assert [module.training for module in model.modules()] == modes
    assert torch.get_rng_state().equal(state)
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"count": 400}, InvalidValueError, r"at least \d+ held-out samples .* got 400"),
        ({"max_extra_error": 2}, InvalidValueError, r"max_extra_error: expected .* got 2"),
        ({"confidence": 0}, InvalidValueError, r"confidence: expected .* got 0"),
        ({"tuning_share": 1}, InvalidValueError, r"tuning_share: expected .* got 1"),
        ({"layers": ["nowhere"]}, LayerError, "'nowhere'"),
        ({"layers": ["pool1", "pool1"]}, LayerError, "each once; got pool1, pool1"),
        ({"layers": []}, LayerError, "expected one or more"),
        (
            {"kinds": ["best"]},
            InvalidValueError,
            "expected prototype, .* got 'best'",
        ),
    ],
)
def test_mistakes_are_told(digits, options, error, message):
    with pytest.raises(error, match=message):
        calibrated_on(digits, **options)


def test_held_out_data_must_have_each_class(digits):
    model, (images, labels), test, scale = digits
    some = test.labels != 3
    held = ImageSet(test.images[some], test.labels[some], test.class_names, scale)
    with pytest.raises(InvalidValueError, match="each of 10 classes at least once, got none of 3"):
        EarlyExit.calibrate(model, fit_on=[(images, labels)], promise_on=held, layers=LAYERS)


def worse(images, how):
    """Images as a moved world gives them, in pixels of [0, 1]."""
    generator = torch.Generator().manual_seed(1)
    if how == "noise":
        return (images + 0.25 * torch.randn(images.shape, generator=generator)).clamp(0, 1)
    if how == "blur":
        return nn.functional.avg_pool2d(images, 5, 1, 2)
    if how == "rotation":
        return images.rot90(1, (2, 3))
    return 1 - images


@pytest.mark.parametrize("how", ["noise", "blur", "rotation", "inverted"])
def test_exits_close_within_500_images_of_a_moved_world(digits, calibrated_exits, how):
    model, _, test, scale = digits
    exits = calibrated_exits
    monitor, routes = exits.monitor(), []
    mean, std = scale.mean[0], scale.std[0]
    same = test.images[3000:6000] / 255
    moved = worse(test.images[6000:6600] / 255, how)
    with torch.no_grad(), exits(model, routes.append, monitor):
        for part in ((same - mean) / std).split(100):
            model(part)
        assert not monitor.alarmed
        for part in ((moved[:500] - mean) / std).split(100):
            model(part)
        assert monitor.alarmed
        closed = model((moved[500:] - mean) / std)
    assert (routes[-1].taken == len(exits.exits)).all()
    with torch.no_grad():
        assert closed.equal(model((moved[500:] - mean) / std))


def test_exits_that_have_closed_are_not_asked(digits, calibrated_exits, monkeypatch):
    model, _, test, scale = digits
    images = normalise(test.images[:50], scale)
    monitor, routes, asked = calibrated_exits.monitor(), [], []
    answer = Exit.answer
    monkeypatch.setattr(Exit, "answer", lambda own, maps: asked.append(own) or answer(own, maps))
    with torch.no_grad(), calibrated_exits(model, routes.append, monitor):
        model(images)
        assert asked
        asked.clear()
        monitor.alarmed = True
        model(images)
    assert not asked
    assert routes[-1].taken.tolist() == [len(calibrated_exits.exits)] * 50


def test_other_files_are_no_exits(tmp_path):
    from imprint.runs import write_tensors

    path = write_tensors(tmp_path / "other.safetensors", {"weight": torch.ones(1)}, {"a": 1})
    with pytest.raises(DamagedFileError, match="expected early exits"):
        EarlyExit.load(path)
