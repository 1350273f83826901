"""Each experiment's judgement, of results that are made up so that the verdict is known."""

from dataclasses import replace

import pytest

from imprint.report import reproduce_report, verdict_counts
from imprint.reproduce import (
    base_network,
    figure_1,
    figure_2,
    figure_3,
    figure_4,
    figure_5,
    figure_6,
    figure_7,
    figure_8,
)
from imprint.reproduce.base import BASE, cached_cell, plain_cell, seeded
from imprint.reproduce.knowledge import knowledge_cell, knowledge_settings
from imprint.reproduce.printed import printed

SEEDS = 3


def course(accuracy, hits=None, similarity=None):
    trained = [60_000 - one for one in hits or [0] * 10]
    return {
        "test_accuracy": accuracy,
        "train_accuracy": accuracy[-1],
        "images_seen": [60_000] * 10,
        "images_trained": trained,
        "hits": hits or [0] * 10,
        "similarity": similarity,
    }


def shifted(values, by):
    return [value + by for value in values]


def similarity(medians, low=0.95):
    """Of ten classes in both epochs."""
    part = [{"low": low, "median": m, "high": 1.0, "threshold": 0.9} for m in medians]
    return {"early": {"epoch": 1, "classes": part}, "late": {"epoch": 10, "classes": part}}


def as_printed(settings, seed, gain=1.0, chance=0.0):
    """Figure 7 as the paper has it: cached runs ahead by `gain` of what it prints."""
    table = printed()["figure_7"]
    noise = 0.1 * seed
    plain = shifted(table["plain_accuracy"], noise)
    pairs = list(zip(table["plain_accuracy"], table["cached_accuracy"], strict=True))
    cached = [p + gain * (c - p) + noise for p, c in pairs]
    random = [p + chance * (c - p) + noise for p, c in pairs]
    seen = similarity([0.9, 0.5, *[0.9] * 8])
    both = {"cached": course(cached, table["cache_hits"], seen), "random": course(random)}
    return {
        plain_cell(settings).name: course(plain),
        cached_cell(settings).name: both,
        cached_cell(settings, reading="formula").name: both,
        cached_cell(settings, reading="text").name: both,
    }


def results_of(base=BASE, **how):
    results = {}
    for seed, settings in enumerate(seeded(base, SEEDS)):
        results |= as_printed(settings, seed, **how)
    return results


@pytest.mark.parametrize(
    ("how", "verdict"),
    [
        ({}, "holds"),
        ({"chance": 1.0}, "holds in part"),  # skipping by chance does as well
        ({"gain": 0.0}, "does not hold"),
        ({"gain": 0.3}, "holds in part"),
    ],
)
def test_figure_7_is_judged_against_plain_training_and_chance(how, verdict):
    final, early, *hits = figure_7.EXPERIMENT.finding(results_of(**how), SEEDS).claims
    assert final.verdict == early.verdict == verdict
    assert [claim.verdict for claim in hits] == ["holds"] * 3
    assert final.printed == "+2.40 points"


def test_figure_8_is_judged_a_batch_size_at_a_time():
    table = printed()["figure_8"]
    results = {}
    for k, size in enumerate(table["batch_size"]):
        for seed, settings in enumerate(seeded(replace(BASE, batch_size=size), SEEDS)):
            plain = [table["plain_test"][k] + 0.01 * seed] * 10
            cached = [table["cached_test"][k] + 0.01 * seed] * 10
            results[plain_cell(settings).name] = course(plain)
            results[cached_cell(settings).name] = {
                "cached": course(cached, [20_000] * 10),
                "random": course(plain),
            }
    found = figure_8.EXPERIMENT.finding(results, SEEDS)
    assert [claim.verdict for claim in found.claims] == ["holds"] * 8
    assert found.claims[1].says == "Batches of 64: the cache loses 3.92 points"
    assert len(found.tables[0].lines) == 8


def test_the_base_network_tells_which_rate_is_nearest():
    results = {}
    for rate, off in zip(base_network.RATES, (20, 0, 30), strict=True):
        for seed, settings in enumerate(seeded(replace(BASE, lr=rate), SEEDS)):
            own = as_printed(settings, seed)
            own[plain_cell(settings).name]["test_accuracy"] = shifted(
                printed()["figure_7"]["plain_accuracy"], off
            )
            results |= own
    found = base_network.EXPERIMENT.finding(results, SEEDS)
    assert "curve of 0.01 lies nearest, 0.0 points" in found.answer
    assert not found.claims


def knowledge(train, test, answers, near=35.0):
    near = {"conv1": near, "conv2": near}
    right = {
        "train": {"farthest": train, "rest": 99.9},
        "test": {"farthest": test, "rest": 99.5},
    }
    example = {"maps": [[0.5] * 9] * 2, "signature": [[0.5, 0.0]] * 2}
    own = {"centroids": answers, "right": right, "nearest": near, "example": example}
    return {knowledge_cell(settings).name: own for settings in knowledge_settings(SEEDS)}


@pytest.mark.parametrize(
    ("train", "test", "answers", "verdicts"),
    [
        (95.0, 94.0, range(10), ["holds", "holds", "does not hold"]),
        (99.5, 94.0, range(10), ["holds", "holds", "holds"]),
        (99.5, 99.4, [*range(9), 8], ["does not hold", "does not hold", "does not hold"]),
    ],
)
def test_figures_1_and_2_ask_networks(train, test, answers, verdicts):
    results = knowledge(train, test, list(answers))
    first, second = (
        figure_1.EXPERIMENT.finding(results, SEEDS),
        figure_2.EXPERIMENT.finding(results, SEEDS),
    )
    assert [claim.verdict for claim in (*first.claims, *second.claims)] == verdicts
    assert len(first.look.pictures[0].shown) == 10
    assert [len(row.shown) for row in second.look.pictures] == [5, 5]


@pytest.mark.parametrize(("near", "verdict"), [(35.0, "does not hold"), (60.0, "holds")])
def test_figure_4_asks_for_the_nearest_vector(near, verdict):
    found = figure_4.EXPERIMENT.finding(knowledge(99, 99, list(range(10)), near), SEEDS)
    assert found.claims[0].verdict == verdict
    assert [item.note for item in found.look.pictures[0].shown] == ["the image", "map 0", "map 1"]


def test_figure_3_counts_neighbours():
    def laid(tsne, pca):
        points = [[0.0, 0.0], [1.0, 1.0]]
        planes = {"t-SNE": {"agree": tsne, "points": points}}
        return {"labels": [0, 9], "planes": planes | {"PCA": {"agree": pca, "points": points}}}

    results = {cell.name: laid(94.0, 40.0) for cell in figure_3.EXPERIMENT.cells(SEEDS)}
    found = figure_3.EXPERIMENT.finding(results, SEEDS)
    assert [claim.verdict for claim in found.claims] == ["holds", "holds"]
    results = {cell.name: laid(39.0, 40.0) for cell in figure_3.EXPERIMENT.cells(SEEDS)}
    found = figure_3.EXPERIMENT.finding(results, SEEDS)
    assert [claim.verdict for claim in found.claims] == ["does not hold", "does not hold"]


def test_figures_5_and_6_read_similarities():
    results = results_of()
    assert figure_5.EXPERIMENT.finding(results, SEEDS).claims[0].verdict == "holds"
    assert figure_6.EXPERIMENT.finding(results, SEEDS).claims[0].verdict == "holds"
    for own in results.values():
        if "cached" in own:
            own["cached"]["similarity"] = similarity([0.5, *[0.9] * 9], low=0.7)
    assert figure_5.EXPERIMENT.finding(results, SEEDS).claims[0].verdict == "does not hold"
    assert figure_6.EXPERIMENT.finding(results, SEEDS).claims[0].verdict == "does not hold"


def test_the_report_has_every_claim_and_counts_verdicts():
    found = figure_7.EXPERIMENT.finding(results_of(), SEEDS)
    result = {"findings": [found.as_dict()], "versions": {}}
    page = reproduce_report(result, {found.name: found.look}, "imprint reproduce figure-7")
    assert verdict_counts(result) == {
        "holds": 5,
        "holds in part": 0,
        "does not hold": 0,
        "cannot be told": 0,
    }
    assert page.count('class="badge holds"') == 10  # in the contents and in the table
    assert "imprint reproduce figure-7" in page
    assert "+2.40 points" in page
