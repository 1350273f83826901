import torch
from hypothesis import given
from hypothesis import strategies as st

from imprint.seeing.strongest import NONE, best_of, no_best, strongest

VALUES = st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0])
PARTS = st.lists(st.tuples(st.integers(0, 8), VALUES), min_size=1, max_size=12)


def naive(pairs, k):
    """Each image's largest value; the k largest of those; the earlier image first among equals."""
    by_image = {}
    for index, value in pairs:
        if value > 0:
            by_image[index] = max(value, by_image.get(index, 0))
    ordered = sorted(by_image.items(), key=lambda pair: (-pair[1], pair[0]))[:k]
    return ordered + [(NONE, 0.0)] * (k - len(ordered))


@given(parts=st.lists(PARTS, min_size=1, max_size=4), k=st.integers(1, 5))
def test_keeps_what_a_sort_of_all_would(parts, k):
    best = no_best(1, k)
    for part in parts:
        index = torch.tensor([pair[0] for pair in part])
        maps = torch.tensor([pair[1] for pair in part])[:, None, None, None]
        best = best_of(best, strongest(maps, index), k)
    kept = list(zip(best.index[0].tolist(), best.values[0].tolist(), strict=True))
    assert kept == naive([pair for part in parts for pair in part], k)


def test_nan_counts_for_nothing_and_infinity_for_most():
    maps = torch.tensor([[torch.nan, 1.0], [torch.inf, torch.nan], [torch.nan, torch.nan]])
    best = strongest(maps.view(3, 1, 1, 2), torch.arange(3))
    assert best.values.tolist() == [[1.0, torch.inf, 0.0]]
    assert best.index.tolist() == [[0, 1, NONE]]
    assert best.places.tolist() == [[[0, 1], [0, 0], [0, 0]]]
