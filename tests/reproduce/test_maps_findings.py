"""The judgements on training on maps, of results that are made up so that the verdict is known."""

import pytest

from imprint.reproduce import figure_9, figure_10, overfitting
from imprint.reproduce.mapped import maps_cell
from imprint.reproduce.printed import printed

SEEDS = 3
NAMES = ("base", "second base", "each", "each, fresh", "mean", "blurred")


def both(values):
    return {"on_itself": values, "sure": values}


def as_printed(blur_like_maps):
    """Figure 9 as the paper has it; blurred images change nothing, or as much as maps do."""
    rows = [*printed()["figure_9"]["mnist"], *printed()["figure_9"]["fashion_mnist"]]
    results = {}
    for run, row in zip(figure_9.RUNS, rows, strict=True):
        for seed in range(SEEDS):
            noise = 0.01 * seed
            base = {part: row[f"base_{part}"] + noise for part in ("train", "test")}
            maps = {part: row[f"maps_{part}"] + noise for part in ("train", "test")}
            known = {name: dict(base) for name in NAMES} | {"each": maps}
            if blur_like_maps:
                known["blurred"] = maps
            results[maps_cell(*run, seed).name] = {"known": known}
    return results


@pytest.mark.parametrize(("blur_like_maps", "verdict"), [(False, "holds"), (True, "holds in part")])
def test_figure_9_is_judged_against_the_base_and_blurred_images(blur_like_maps, verdict):
    found = figure_9.EXPERIMENT.finding(as_printed(blur_like_maps), SEEDS)
    assert [claim.verdict for claim in found.claims] == [verdict] * 6
    assert len(found.tables[0].lines) == 3 * len(NAMES)


@pytest.mark.parametrize(
    ("second", "own", "verdicts"),
    [
        (0.0, 13.0, ["holds", "holds", "holds"]),
        (13.5, 13.0, ["holds", "holds in part", "holds"]),  # nothing but transfer
        (13.5, -5.0, ["holds", "holds in part", "does not hold"]),
    ],
)
def test_figure_10_tells_transfer_from_robustness(second, own, verdicts):
    results = {}
    for seed, cell in enumerate(figure_10.EXPERIMENT.cells(SEEDS)):
        noise = 0.01 * seed
        base = {"on_base": [28.09 + noise, 10.76 + noise]} | both([28.09, 10.76])
        fooled = {name: dict(base) for name in NAMES}
        fooled["each"] = {"on_base": [26.74 + noise, 23.82 + noise]}
        fooled["each"] |= both([28.09, 10.76 + own + noise])
        fooled["second base"] = {"on_base": [28.09 + noise, 10.76 + second + noise]}
        fooled["second base"] |= both([28.09, 10.76])
        results[cell.name] = {"fooled": fooled}
    found = figure_10.EXPERIMENT.finding(results, SEEDS)
    assert [claim.verdict for claim in found.claims] == verdicts
    assert found.claims[1].printed == "+13.06 points"


@pytest.mark.parametrize(
    ("gap", "blurred", "verdict"),
    [(2.0, 6.0, "holds"), (2.0, 2.0, "holds in part"), (8.0, 6.0, "does not hold")],
)
def test_a_gap_must_narrow_more_than_by_blurred_images(gap, blurred, verdict):
    gaps = {"base": 6.0, "each": 6.0, "each, fresh": gap, "mean, fresh": 6.0}
    results = {
        cell.name: {
            name: {"train": 90 + own + 0.01 * seed, "test": 90.0}
            for name, own in (gaps | {"blurred, fresh": blurred}).items()
        }
        for size in range(2)
        for seed, cell in enumerate(
            overfitting.EXPERIMENT.cells(SEEDS)[size * SEEDS : (size + 1) * SEEDS]
        )
    }
    found = overfitting.EXPERIMENT.finding(results, SEEDS)
    assert [claim.verdict for claim in found.claims] == [verdict] * 2
