import plotly.graph_objects as go
import pytest

from imprint.report.charts import (
    accuracy_by_class,
    accuracy_by_epoch,
    accuracy_by_seconds,
    class_epoch_map,
    similarity_by_class,
)


def charts(result):
    runs = {"plain": result["plain"], "skip": result["skip"]}
    sizes = [52, 51, 51, 51, 51]
    return {
        "epoch": accuracy_by_epoch(runs),
        "seconds": accuracy_by_seconds(runs),
        "hits": class_epoch_map(runs["skip"], "hits_per_class", sizes, "hits"),
        "early": similarity_by_class(runs["skip"], "early"),
        "late": similarity_by_class(runs["skip"], "late"),
        "class": accuracy_by_class(runs),
    }


def test_plotly_takes_each_chart_and_each_axis_has_a_name(comparison):
    for figure in charts(comparison[0]).values():
        go.Figure(figure)  # raises for any key that plotly does not know
        for axis in ("xaxis", "yaxis"):
            assert figure["layout"][axis]["title"]["text"]
        assert figure["data"]


def test_lines_are_the_numbers_of_the_result(comparison):
    result, _ = comparison
    drawn = charts(result)
    for trace, name in zip(drawn["epoch"]["data"], ("plain", "skip"), strict=True):
        rows = result[name]["epochs"]
        assert trace["x"] == [1, 2, 3]
        assert trace["y"] == pytest.approx([100 * row["test_accuracy"] for row in rows], abs=1e-3)
    seconds = drawn["seconds"]["data"][1]["x"]
    assert seconds == sorted(seconds)
    assert seconds[-1] == pytest.approx(result["skip"]["train_seconds"], abs=2e-3)


def test_hits_are_shares_of_each_class(comparison):
    result, images = comparison
    sizes = images.labels.bincount().tolist()
    cells = charts(result)["hits"]["data"][0]["z"]
    rows = result["skip"]["epochs"]
    for k, line in enumerate(cells):
        expected = [100 * row["hits_per_class"][k] / sizes[k] for row in rows]
        assert line == pytest.approx(expected, abs=0.01)


def test_early_and_late_similarity_share_one_range(comparison):
    drawn = charts(comparison[0])
    early, late = (drawn[when]["layout"]["yaxis"]["range"] for when in ("early", "late"))
    assert early == late
    for when in ("early", "late"):
        spread = drawn[when]["data"][0]
        low, high = early
        lows = [y - d for y, d in zip(spread["y"], spread["error_y"]["arrayminus"], strict=True)]
        highs = [y + d for y, d in zip(spread["y"], spread["error_y"]["array"], strict=True)]
        assert low < min(lows) <= max(highs) < high


def test_the_worst_class_stands_first():
    run = {"class_names": list("abcd"), "class_accuracy": [0.9, None, 0.2, 0.5]}
    chart = accuracy_by_class({"plain": run}, most=2)
    assert chart["data"][0]["y"] == ["c", "d"]
    assert chart["data"][0]["x"] == [20.0, 50.0]


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (["<b>x</b>", "a&b"], ["&lt;b&gt;x&lt;/b&gt;", "a&amp;b"]),
        (["n" * 40, "m" * 40], ["n" * 15 + "…", "m" * 15 + "…"]),
        (["n" * 40 + "a", "n" * 40 + "b"], ["n" * 15 + "… #0", "n" * 15 + "… #1"]),
        (["two\nlines", "tab\there"], ["two lines", "tab here"]),
    ],
)
def test_names_on_an_axis_are_short_distinct_and_no_markup(names, shown):
    run = {"class_names": names, "epochs": [{"epoch": 1, "hits": [1, 2]}]}
    assert class_epoch_map(run, "hits", [4, 4], "hits")["data"][0]["y"] == shown
