import pytest

from imprint.errors import ImprintError, InvalidValueError
from imprint.training import TrainSettings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("keep", 0), ("keep", 1.01), ("keep", float("nan")), ("epochs", 0), ("batch_size", 0),
        ("lr", 0), ("lr", -1.0), ("momentum", 1), ("weight_decay", -1), ("clip", 0),
        ("label_smoothing", 1), ("seed", -1), ("target", 0), ("target", 99), ("dense_start", 2),
        ("dense_end", -0.1), ("memory_decay", 0), ("skip", "magic"), ("optimizer", "lbfgs"),
        ("schedule", "linear"), ("precision", "8"), ("device", "tpu"),
        ("tier", "attic"), ("epochs", 2.5), ("batch_size", "8"), ("seed", 2**63),
        ("threshold_reading", "?"), ("hold_suspects", "no"), ("renew_norm", 1), ("keep", "half"),
        ("batch_shrink", 1.5), ("batch_shrink", "1"), ("hold_suspects", True), ("cover", 0.9),
    ],
)  # fmt: skip
def test_a_value_out_of_range_is_named_before_any_work(name, value):
    with pytest.raises(InvalidValueError, match=f"^{name}: expected .* got ") as caught:
        TrainSettings(**{name: value})
    assert isinstance(caught.value, ImprintError)


def test_each_optimizer_has_its_own_default_rate():
    assert TrainSettings().rate == 0.2
    assert TrainSettings(optimizer="adamw").rate == 0.005
    assert TrainSettings(lr=0.01).rate == 0.01


def test_what_does_not_go_together_is_told():
    with pytest.raises(InvalidValueError, match=r"cover: .* beside skip imprint, tier gate"):
        TrainSettings(skip="imprint", tier="gate", cover=0.9)
    with pytest.raises(InvalidValueError, match="renew_norm: expected False beside target"):
        TrainSettings(renew_norm=True, target=0.9)


def test_augmentations_asked_for_take_the_place_of_those_that_fit():
    chosen = TrainSettings(augmentations=("mask", "flip"))
    assert chosen.augmentations == ["mask", "flip"]
    assert chosen.augmentations_of(["crop"]) == ("mask", "flip")
    assert TrainSettings().augmentations_of(["crop"]) == ("crop",)
    assert TrainSettings(augment=False).augmentations_of(["crop"]) == ()
    assert TrainSettings(augmentations=[]).augmentations_of(["crop"]) == ()
    with pytest.raises(InvalidValueError, match=r"augmentations: expected some of crop, .* 'spin'"):
        TrainSettings(augmentations=["spin"])
    with pytest.raises(
        InvalidValueError, match="augmentations: expected None beside augment False"
    ):
        TrainSettings(augmentations=["flip"], augment=False)


def test_rules_that_decide_by_themselves():
    deciding = [TrainSettings(skip=skip).decides for skip in ("paper", "early-stopping", "imprint")]
    assert deciding == [True, True, False]
    assert TrainSettings(skip="imprint", cover=0.9).decides


def test_plain_training_has_nothing_of_a_plan():
    plans = {"skip": "imprint", "cover": 0.9, "class_floor": 0.1, "hold_suspects": True}
    assert TrainSettings(**plans, batch_shrink=0.5).plain() == TrainSettings()


def test_only_rules_with_a_plan_plan():
    assert TrainSettings(skip="imprint").planned
    assert TrainSettings(skip="random", tier="plan").planned
    assert not TrainSettings(skip="imprint", tier="gate").planned
    assert not TrainSettings(skip="cosine").planned
    assert not TrainSettings(tier="plan").planned
    with pytest.raises(InvalidValueError, match="tier: expected gate for paper, got plan"):
        TrainSettings(skip="paper", tier="plan")
