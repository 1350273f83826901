"""What exploring finds of what was planted in Fashion-MNIST, and of what is known of MNIST."""

from itertools import combinations

import pytest
import torch

from imprint.data import load
from imprint.exploration import ExploreSettings, explore

from .conftest import first_images

SETTINGS = ExploreSettings(device="cpu")


def pairs_in(groups, splits):
    """All pairs of rows, counted through train and test, that are in one group."""
    starts = {"train": 0, "test": len(splits.train)}
    rows = ([starts[split] + index for split, index in group] for group in groups)
    return {(min(pair), max(pair)) for group in rows for pair in combinations(group, 2)}


@pytest.fixture(scope="module")
def found(planted):
    return explore(planted.splits, settings=SETTINGS)


@pytest.fixture(scope="module")
def before(fashion):
    """What the set has by itself, before anything is planted."""
    return explore(fashion, settings=ExploreSettings(device="cpu", judge=None))


class TestPlanted:
    def test_equal_images_and_leaks_are_found_and_nothing_else(self, found, planted):
        got = pairs_in(found.duplicates(), planted.splits)
        assert got == planted.equal | planted.leaks  # Fashion-MNIST has no equal images itself

    def test_near_duplicates_are_found(self, found, before, planted):
        own = pairs_in(before.duplicates(near=True), planted.splits)
        got = pairs_in(found.duplicates(near=True), planted.splits) - own
        right = got & planted.near
        assert len(right) >= 0.95 * len(planted.near)
        assert len(right) >= 0.95 * len(got)

    def test_leaks_are_marked_on_both_sides(self, found, before, planted):
        leaks = set(found.samples.is_leak.nonzero()[:, 0].tolist())
        own = set(before.samples.is_leak.nonzero()[:, 0].tolist())
        sides = {row for pair in planted.leaks for row in pair}
        assert sides <= leaks
        assert len(sides) >= 0.95 * len(leaks - own)

    def test_noise_images_lie_farthest_out(self, found, planted):
        farthest = [row["index"] for row in found.outliers(k=50, part="train")]
        assert len(planted.noise & set(farthest)) >= 0.95 * 50
        assert found.result["noise_images"] == 50

    def test_wrong_labels_are_among_the_first_suspects(self, found, planted):
        suspects = [row for row in found.label_issues(k=600) if row["split"] == "train"][:500]
        assert len(planted.wrong & {row["index"] for row in suspects}) >= 0.8 * 300


def test_wrong_labels_of_mnist_that_people_agree_on_come_out_high():
    """Northcutt, Athalye & Mueller (2021), "Pervasive label errors in test sets"."""
    exploration = explore(first_images(load("mnist"), 10_000, 10_000), settings=SETTINGS)
    scores = exploration.samples.label_issue_score[10_000:]
    place = scores.argsort(descending=True).argsort()
    known = torch.tensor([9729, 6597, 2130, 3520, 4176])
    assert place[known].median() < 100  # of 10,000
