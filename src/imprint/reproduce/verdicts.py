"""Whether what the paper says holds: one stated rule for gains, one for figures to be met."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import mean, stdev
from typing import Any, Literal

from imprint.errors import InvalidValueError
from imprint.intervals import interval

__all__ = ["Claim", "Verdict", "judge_gain", "judge_match", "judge_statement"]

Verdict = Literal["holds", "holds in part", "does not hold", "cannot be told"]

CLOSE, NEAR = 0.1, 0.3
"""Mean relative distances within which printed figures are met, or met in part."""


@dataclass(frozen=True)
class Claim:
    """What the paper says, what was measured, and what follows.

    Attributes:
        says: the paper's claim, in a sentence.
        printed: its figure, as text.
        ours: what was measured, as text: mean ± standard deviation over seeds.
        control: what was measured of the control, as text; empty where there is none.
        verdict: by the rule.
        because: the rule's reason.
        difference: ours to what it is held against, low and high of its 95 % interval; None where
            the claim is not of a gain.
    """

    says: str
    printed: str
    ours: str
    control: str
    verdict: Verdict
    because: str
    difference: tuple[float, float, float] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Give it as JSON can hold it."""
        return asdict(self)


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Write the mean and standard deviation of some values.

    Args:
        values: one a seed.
        digits: after the point.

    Returns:
        Such as `1.50 ± 0.71`.

    Examples:
        >>> spread([1.0, 2.0])
        '1.50 ± 0.71'
    """
    middle = f"{mean(values):z.{digits}f}"  # no minus before what rounds to 0
    return f"{middle} ± {stdev(values):.{digits}f}" if len(values) > 1 else middle


def judge_gain(
    says: str,
    printed: float,
    ours: Sequence[float],
    *,
    control: Sequence[float] = (),
    control_name: str = "",
    unit: str = "points",
) -> Claim:
    """Judge a claimed gain by paired differences.

    With `[low, high]` the 95 % interval of the gain, read in the direction that the paper claims:
    it *does not hold* where `low ≤ 0` and `high` stays below half of the printed gain; it *cannot
    be told* where `low ≤ 0` otherwise. Where `low > 0` it *holds*, unless `high` stays below half
    of the printed gain, or is not above the control's (the interval of ours less the control's has
    its low at 0 or below): then it *holds in part*.

    Args:
        says: the claim.
        printed: the gain that the paper prints, not 0.
        ours: our gain, one a seed.
        control: the control's gain, one a seed, paired with ours; empty where there is none.
        control_name: what it is.
        unit: of the gains.

    Returns:
        The claim with its verdict.

    Raises:
        InvalidValueError: for a printed gain of 0, no value, or a control not paired.

    Examples:
        >>> judge_gain("a helps", 2.0, [1.9, 2.1, 2.0]).verdict
        'holds'
        >>> judge_gain("a helps", 2.0, [1.9, 2.1, 2.0], control=[2.0, 2.0, 2.1]).verdict
        'holds in part'
    """
    if printed == 0 or not ours or len(control) not in (0, len(ours)):
        got = f"{printed}, {len(ours)} and {len(control)}"
        raise InvalidValueError(f"printed, ours, control: expected a gain and pairs, got {got}")
    sign = 1 if printed > 0 else -1
    _, *ends = interval([sign * value for value in ours])
    beyond = interval([sign * (a - b) for a, b in zip(ours, control, strict=bool(control))])
    verdict, because = _verdict(ends[0], ends[1], abs(printed), beyond[1] if control else None)
    named = f"{control_name or 'control'}: {spread(control)}" if control else ""
    ours_text = f"{_signed(ours)} {unit}"
    difference = interval(ours)
    return Claim(says, f"{printed:+.2f} {unit}", ours_text, named, verdict, because, difference)


def _signed(values: Sequence[float]) -> str:
    text = spread(values)
    return text if text.startswith("-") else f"+{text}"


def _verdict(low: float, high: float, gain: float, beyond: float | None) -> tuple[Verdict, str]:
    """The rule of `judge_gain`; intervals are NaN with one seed, of which nothing can be told."""
    if not low > 0:
        if high < gain / 2:
            return (
                "does not hold",
                "the interval reaches 0 or below, and stays below half of what is printed",
            )
        return "cannot be told", "the interval reaches from 0 or below to half of what is printed"
    if beyond is not None and not beyond > 0:
        return "holds in part", "it gains, but by the interval not more than the control"
    if high < gain / 2:
        return "holds in part", "it gains, but less than half of what is printed"
    return "holds", "it gains, by the interval" + ("" if beyond is None else ", and so to control")


def judge_match(
    says: str, printed: Sequence[float], ours: Sequence[Sequence[float]], *, digits: int = 0
) -> Claim:
    """Judge whether printed figures are met: by the mean relative distance of our means to them.

    Within 10 % it *holds*, within 30 % it *holds in part*, otherwise it *does not hold*.

    Args:
        says: the claim.
        printed: figures, none of them 0.
        ours: for each seed as many figures.
        digits: after the point, in text.

    Returns:
        The claim with its verdict.

    Raises:
        InvalidValueError: where the numbers of figures differ, or there is none.

    Examples:
        >>> judge_match("hits", [100.0, 200.0], [[101.0, 190.0], [99.0, 200.0]]).verdict
        'holds'
    """
    if not printed or not ours or any(len(one) != len(printed) for one in ours):
        got = [len(one) for one in ours]
        raise InvalidValueError(f"ours: expected {len(printed)} figures a seed, got {got}")
    means = [mean(column) for column in zip(*ours, strict=True)]
    pairs = list(zip(means, printed, strict=True))
    distance = mean(abs(a - b) / abs(b) for a, b in pairs)
    grades: tuple[tuple[float, Verdict], ...] = ((CLOSE, "holds"), (NEAR, "holds in part"))
    verdict: Verdict = next((name for most, name in grades if distance <= most), "does not hold")
    because = f"our means lie {100 * distance:.0f} % from the printed figures on average"
    return Claim(says, _range(printed, digits), _range(means, digits), "", verdict, because)


def _range(values: Sequence[float], digits: int) -> str:
    low, high = (f"{end:,.{digits}f}" for end in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def judge_statement(says: str, holds: Sequence[bool], *, ours: str, because: str) -> Claim:
    """Judge a claim without a figure by whether it is met, seed by seed.

    Met in all it *holds*, in at least half it *holds in part*, otherwise it *does not hold*.

    Args:
        says: the claim.
        holds: whether it is met, one a seed.
        ours: what was measured, as text.
        because: what was asked of it.

    Returns:
        The claim with its verdict.

    Raises:
        InvalidValueError: without a seed.

    Examples:
        >>> judge_statement("a > b", [True, True, False], ours="", because="").verdict
        'holds in part'
    """
    if not holds:
        raise InvalidValueError("holds: expected one value a seed, got none")
    share = mean(holds)
    verdict: Verdict = "holds" if share == 1 else "does not hold"
    if 0.5 <= share < 1:
        verdict = "holds in part"
    return Claim(says, "no figure", ours, "", verdict, f"{because}: {sum(holds)} of {len(holds)}")
