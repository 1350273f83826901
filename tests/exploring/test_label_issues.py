import warnings

import numpy as np
import pytest
import torch
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from hypothesis import given
from hypothesis import strategies as st

from imprint.errors import InvalidValueError, MissingExtraError
from imprint.exploring import label_issues
from imprint.training import TrainSettings, cross_fit
from imprint.types import ImageSet

from .conftest import normal, shuffled


def predictions(count, num_classes, wrong, seed=0):
    """Labels, some of them wrong, and probabilities that lean towards the right ones."""
    true = shuffled(count, seed) % num_classes
    leaning = torch.nn.functional.one_hot(true, num_classes) * 4
    probabilities = (leaning + normal(count, num_classes, seed=seed)).softmax(1)
    labels = true.clone()
    labels[:wrong] = (true[:wrong] + 1) % num_classes
    return probabilities, labels


@pytest.mark.parametrize("seed", range(4))
def test_says_what_cleanlab_says(seed):
    probabilities, labels = predictions(300, 5, 30, seed)
    found = label_issues(probabilities, labels)
    wide, given_labels = probabilities.double().numpy(), labels.numpy()
    wide = wide / wide.sum(1, keepdims=True)
    flags = find_label_issues(given_labels, wide, filter_by="both", n_jobs=1)
    assert np.array_equal(found.is_issue.numpy(), flags)
    trust = get_label_quality_scores(given_labels, wide, method="self_confidence")
    np.testing.assert_allclose(found.score.numpy(), 1 - trust, atol=1e-6)
    assert found.suggested.tolist() == wide.argmax(1).tolist()


def test_planted_labels_come_first_and_the_right_one_is_suggested():
    probabilities, labels = predictions(400, 4, 25)
    found = label_issues(probabilities, labels)
    first = set(found.score.topk(25).indices.tolist())
    assert len(first & set(range(25))) >= 24
    assert (found.suggested[:25] == (labels[:25] - 1) % 4).float().mean() > 0.95
    assert found.is_issue[:25].float().mean() > 0.7
    assert found.is_issue[25:].float().mean() < 0.02


def test_a_permutation_permutes_what_is_said():
    probabilities, labels = predictions(200, 4, 20)
    order = shuffled(200, 9)
    one, other = (
        label_issues(probabilities, labels),
        label_issues(probabilities[order], labels[order]),
    )
    for column, permuted in zip(one, other, strict=True):
        assert torch.equal(column[order], permuted)


def test_classes_without_a_sample_change_nothing_for_the_others():
    probabilities, labels = predictions(200, 4, 20)
    wider = torch.zeros(200, 7)
    wider[:, 1:5] = probabilities
    assert torch.equal(
        label_issues(wider, labels + 1).is_issue, label_issues(probabilities, labels).is_issue
    )


@given(count=st.integers(0, 12), num_classes=st.integers(1, 5), seed=st.integers(0, 99))
@pytest.mark.parametrize("sure", [False, True])
def test_small_sets_are_judged_without_error_or_warning(sure, count, num_classes, seed):
    probabilities = normal(count, num_classes, seed=seed).softmax(1)
    if sure:
        probabilities = torch.nn.functional.one_hot(probabilities.argmax(1), num_classes).float()
    filters = list(warnings.filters)
    found = label_issues(probabilities, shuffled(count, seed) % num_classes)
    assert [column.shape for column in found] == [(count,)] * 3
    assert bool(((found.score >= 0) & (found.score <= 1)).all())
    assert warnings.filters == filters


@pytest.mark.parametrize("count", [1, 5])
def test_of_one_class_no_label_is_an_issue(count):
    found = label_issues(torch.full((count, 2), 0.5), torch.zeros(count, dtype=torch.int64))
    assert not found.is_issue.any()
    assert found.score.tolist() == [0.5] * count


@pytest.mark.parametrize(
    ("probabilities", "labels"),
    [(torch.ones(3, 2), (2,)), (torch.ones(3), (3,)), (torch.ones(3, 2), (3, 1))],
)
def test_refuses_shapes_that_do_not_fit(probabilities, labels):
    with pytest.raises(InvalidValueError, match=r"probabilities: expected \(N, K\) and labels"):
        label_issues(probabilities, torch.zeros(labels, dtype=torch.int64))


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_refuses_what_is_no_number(value):
    probabilities, labels = predictions(9, 3, 0)
    probabilities[4, 1] = probabilities[5, 0] = value
    with pytest.raises(InvalidValueError, match="expected finite values, got 2 NaN or infinite"):
        label_issues(probabilities, labels)


def test_without_cleanlab_names_the_extra(without):
    without("cleanlab.filter")
    with pytest.raises(MissingExtraError, match=r"cleanlab.filter: .*imprint\[explore\]"):
        label_issues(*predictions(20, 2, 1))


def test_wrong_labels_planted_among_digits_are_found(digits):
    labels, wrong = digits.labels.clone(), shuffled(2400, 3)[:72]
    labels[wrong] = (labels[wrong] + 1 + shuffled(72) % 9) % 10
    settings = TrainSettings(epochs=4, batch_size=64, device="cpu", lr=0.1)
    table = cross_fit(ImageSet(digits.images, labels, digits.class_names), settings)[0]
    found = label_issues(table, labels)
    first = set(found.score.topk(100).indices.tolist())
    assert len(first & set(wrong.tolist())) >= 0.9 * 72
    assert found.is_issue[wrong].float().mean() > 0.5  # it is careful where classes are small
    assert found.is_issue.float().mean() < 0.1
    assert (found.suggested[wrong] == digits.labels[wrong]).float().mean() > 0.8
