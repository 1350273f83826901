import re

import pytest

from imprint.benchmarking.summaries import summarise
from imprint.report import bench_report
from imprint.report.bench import difference_against_saving

from .conftest import WINDOWS, check_page


def result_of(methods, seeds=3, epochs=4):
    rows = [
        {"method": method, "keep": None if method == "plain" else 0.5, "seed": seed}
        | {"accuracy": 0.9 - 0.01 * place + 0.001 * seed, "worst_class": 0.5}
        | {"seconds": 20.0 - place}
        for seed in range(seeds)
        for place, method in enumerate(methods)
    ]
    about = {"seeds": seeds, "epochs": epochs, "model": "conv4", "data": "stripes"}
    return {"rows": rows, "summary": summarise(rows)} | about


def columns(page):
    return re.findall(r"<th>(.*?)</th>", page)


def test_a_control_that_was_not_run_has_no_column():
    assert columns(bench_report(result_of(("plain", "imprint"))))[-1] == "saved"
    page = bench_report(result_of(("plain", "random", "imprint")))
    assert columns(page)[-2:] == ["saved", "points to random"]
    assert page.count("<td>") == 3 * len(columns(page))
    page = bench_report(result_of(("plain", "matched", "random", "imprint")))
    assert columns(page)[-2:] == ["points to random", "points to matched"]


def test_what_is_one_is_worded_as_one():
    assert "1 epoch, 1 seed, paired" in bench_report(result_of(("plain",), seeds=1, epochs=1))
    assert "4 epochs, 3 seeds, paired" in bench_report(result_of(("plain",)))


def test_the_line_at_which_nothing_is_lost_is_in_view():
    figure = difference_against_saving(result_of(("plain", "imprint"))["summary"])
    assert max(figure["data"][0]["y"]) < 0
    assert figure["layout"]["yaxis"]["rangemode"] == "tozero"
    assert figure["layout"]["yaxis"]["zeroline"] is True


@pytest.mark.browser
@WINDOWS
def test_a_browser_shows_it_at_any_width(browser, tmp_path, width, scheme):
    html = bench_report(result_of(("plain", "random", "imprint")), "imprint bench " + "x" * 300)
    check_page(browser, html, tmp_path, width=width, scheme=scheme, plots=2)
