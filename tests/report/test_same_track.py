from imprint.report import same_track_report
from imprint.report.same_track import found_within_chart

JUDGED = {"first": 0.5, "first_five": 1.0, "found_within": [0.5, 0.75, 1.0, 1.0, 1.0]}
MISS = {
    "query": "a folder/of a very long name/<b>one</b>.ogg, 0.0 s",
    "found": "two.ogg",
    "similarity": 0.5,
    "own_similarity": 0.25,
    "own_rank": 1200,
}
RESULT = {
    **JUDGED,
    **{f"untrained_{key}": value for key, value in JUDGED.items()},
    "tracks": 8,
    "excerpts": 2000,
    "test_tracks": 2,
    "test_excerpts": 4,
    "dimensions": 64,
    "missed": [MISS],
    "losses": [],
    "seconds": 1.5,
    "settings": {"layer": None, "seed": 3},
    "versions": {"torch": "2"},
}


def test_what_was_missed_stands_there_as_text_and_fits():
    page = same_track_report(RESULT, "imprint train sounds")
    assert "&lt;b&gt;one&lt;/b&gt;.ogg, 0.0 s → two.ogg" in page
    assert "a folder" not in page
    assert "1,200" in page
    assert "Learning by contrast" not in page
    assert "imprint train sounds" in page
    for address in ("http://", "https://"):
        assert f'src="{address}' not in page


def test_both_lines_stand_in_percent_and_axes_have_names():
    figure = found_within_chart(RESULT).figure
    assert [trace["y"] for trace in figure["data"]] == [[50.0, 75.0, 100.0, 100.0, 100.0]] * 2
    assert figure["data"][0]["x"] == [1, 2, 3, 4, 5]
    titles = [figure["layout"][axis]["title"]["text"] for axis in ("xaxis", "yaxis")]
    assert titles == ["results looked through (number)", "same track among them (% of queries)"]


def test_without_a_judge_it_says_so():
    nothing = {"first": None, "first_five": None, "found_within": []}
    empty = {f"{kind}{key}": value for kind in ("", "untrained_") for key, value in nothing.items()}
    page = same_track_report(RESULT | empty | {"missed": [], "losses": [2.0, 1.0]})
    assert "Nothing was judged" in page
    assert "Results looked through" not in page
    assert "Learning by contrast" in page
