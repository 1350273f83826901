"""The tables of the documentation's pages, from the committed results.

    python benchmarks/tables.py    # writes them into the pages

Each table stands in a page between `<!-- table: <name> -->` and `<!-- end -->`.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, median, quantiles
from typing import Any

from audio_tables import audio_tables
from exit_tables import exit_tables
from music_tables import music_tables
from skip_tables import skip_tables

__all__ = ["filled", "tables"]

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGES = [
    ROOT / "docs" / f"{name}.md"
    for name in ("benchmarks", "skipping", "scale", "plan-skip", "paper", "maps", "app")
]
PLACE = re.compile(r"(<!-- table: (?P<name>[\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


LEARNT = {
    "64 bands": "same_track",
    "128 bands": "same_track_128_bands",
    "128 bands, more music": "same_track_more_128_bands",
}
"""Measurements of `bench_same_track.py`."""


def tables() -> dict[str, str]:
    """Give each table in Markdown, by its name."""
    named = {
        "overhead": _overhead(_read("overhead"), _read("mnist_to_99")),
        "step-time": _step_time(_read("step_time")),
        "plan-scale": _plan_scale(_read("plan_scale")),
        "plan-skip": _plan_skip(_read("plan_skip")),
        "suspects": _suspects(_read("suspects_any_20")),
        "suspects-pair": _suspects(_read("suspects_pair_20")),
        "keep-one": _keep_one(_read("keep_one")),
        "allocator": _allocator(_read("allocator")),
        "batch-norm": _batch_norm(_read("batch_norm")),
        "occlusion": _occlusion(_read("occlusion")),
        "maps": _maps(_read("maps")),
        "robust-maps": _robust(_read("robust_maps")),
        "freeze": _freeze(_read("freeze")),
        "undefined": _undefined(_read("nan")),
        "app": _app(_read("app")),
        "index": _index(_read("index")),
        "index-folders": _index_folders(_read("index")),
        "explore-jobs": _explore_jobs(_read("explore")),
        "explore-growth": _explore_growth(_read("explore")),
        "explore-planted": _explore_planted(_read("explore")),
        "paper-verdicts": _verdicts(_paper()),
        "paper-findings": "\n".join(map(_findings, _paper())),
    }
    named |= exit_tables(RESULTS, _markdown, _stamp)
    named |= audio_tables(_read("audio"), _stamp)
    learnt = {kind: _read(name) for kind, name in LEARNT.items()}
    named |= music_tables(_read("music"), learnt, _read("local_scaling"), _stamp)
    return named | skip_tables(RESULTS, _markdown, _stamp)


def filled(text: str) -> str:
    """Give the page's text with each table renewed."""
    named = tables()
    return PLACE.sub(lambda place: place[1] + named[place["name"]] + place[3], text)


def _read(name: str) -> dict[str, Any]:
    return json.loads((RESULTS / f"{name}.json").read_text())  # type: ignore[no-any-return]


def _app(measured: dict[str, Any]) -> str:
    def spread(values: list[float]) -> str:
        return f"{median(values):.1f} s ({min(values):.1f} to {max(values):.1f})"

    seconds = measured["seconds"]
    rows = [
        ("from opening the page to its tabs", spread(seconds["tabs"]), "2 s"),
        ("to the curves of a run", spread(seconds["curves"]), ""),
        ("before, from the command to the first answer", f"{measured['start']:.1f} s", ""),
    ]
    count = len(seconds["tabs"])
    visits = f"Median of {count} visits with an empty cache, least and most in brackets."
    head = ["what", "measured", "to reach"]
    return f"{_markdown(head, rows)}\n\n{visits} {_stamp(measured)}"


def _allocator(measured: dict[str, Any]) -> str:
    rows = [
        (
            own["network"],
            f"{own['batch_size']}",
            f"{1000 * own['seconds']['given back']:.1f} ms",
            f"{1000 * own['seconds']['kept']:.1f} ms",
            f"{own['ratio']:.0%} ({own['low']:.0%} to {own['high']:.0%})",
        )
        for own in measured["rows"]
    ]
    head = ["network", "batch", "given back", "kept", "kept beside given back"]
    rounds = f"Medians of {measured['rounds']} rounds, with quartiles."
    return f"{_markdown(head, rows)}\n\n{rounds} {_stamp(measured)}"


def _overhead(parts: dict[str, Any], race: dict[str, Any]) -> str:
    peak = max(parts["memory"]["megabytes"])
    speeds = [f"{value:.0f}" for value in sorted(race["times_faster_process"])]
    imported, all_names = (1000 * parts["import"][key] for key in ("median", "all_names_median"))
    rows = [
        ("signature, memory and decision", f"{parts['gate']['share']:.1%} of a step", "2 %"),
        ("loader and augmentation", f"{parts['loader']['share']:.1%} of an epoch", "5 %"),
        ("`import imprint`", f"{imported:.0f} ms; all its names: {all_names:.0f} ms", "50 ms"),
        ("memory above data and model", f"{peak:.0f} MB", "200 MB"),
        (
            "to 99 % on MNIST, whole processes",
            (
                f"{median(race['times_faster_process']):.0f} times faster "
                f"({', '.join(speeds)} in {len(speeds)} seeds)"
            ),
            "15 times",
        ),
    ]
    lines = ["| what | measured | to reach |", "|---|---|---|"]
    lines += [f"| {what} | {measured} | {goal} |" for what, measured, goal in rows]
    ours = f"The way to 99 % is `{race['imprint_command']}`, beside PyTorch's own example.\n"
    return "\n".join([*lines, "", ours, _stamp(parts), _stamp(race), ""])


def _step_time(figures: dict[str, Any]) -> str:
    lines = ["| network | step | milliseconds | share of a plain step |", "|---|---|---|---|"]
    lines += [
        f"| {network} | {name} | {1000 * step['median_seconds']:.0f} | {step['ratio']:.0%} |"
        for network, steps in figures["networks"].items()
        for name, step in steps.items()
    ]
    return "\n".join([*lines, "", _stamp(figures), ""])


def _plan_scale(figures: dict[str, Any]) -> str:
    lines = [
        "| rule | choose a half, seconds | end an epoch, seconds | peak memory | to reach |",
        "|---|---|---|---|---|",
    ]
    goal = figures["to_reach"]
    for name, row in figures["rules"].items():
        alone = row["python_and_torch_megabytes"]
        lines.append(
            f"| {name} | {_span(row['choose_seconds'])} | {_span(row['end_of_epoch_seconds'])} "
            f"| {row['peak_megabytes']:.0f} MB, of which Python and torch {alone:.0f} MB "
            f"| {goal['choose_seconds']:.0f} s, {goal['peak_megabytes']:.0f} MB |"
        )
    what = f"{figures['samples']:,} samples, their bytes in a mapped file; three epochs."
    return "\n".join([*lines, "", what, "", _stamp(figures), ""])


def _plan_skip(figures: dict[str, Any]) -> str:
    lines = ["| network | where | predicted | measured |", "|---|---|---|---|"]
    for row in figures["rows"]:
        where = "plan" if row["layer"] is None else f"gate at `{row['layer']}`"
        shares = f"{row['predicted']:.1%} | {row['measured']:.1%}"
        lines.append(f"| {row['network']} | {where} | {shares} |")
    return "\n".join([*lines, "", _stamp(figures), ""])


def _suspects(figures: dict[str, Any]) -> str:
    lines = [
        "| method | test accuracy | seconds | suspects | of them wrong | wrong ones found |",
        "|---|---|---|---|---|---|",
    ]
    for name, rows in _by_method(figures).items():
        found = [
            _share_span([row[key] for row in rows]) if rows[0]["suspects"] is not None else ""
            for key in ("precision", "recall")
        ]
        number = "" if rows[0]["suspects"] is None else f"{mean(r['suspects'] for r in rows):,.0f}"
        seconds = mean(row["seconds"] for row in rows)
        accuracy = _share_span([row["accuracy"] for row in rows], 2)
        lines.append(f"| {name} | {accuracy} | {seconds:.0f} | {number} | {' | '.join(found)} |")
    what = (
        f"{figures['data']}, {figures['share']:.0%} of the labels made wrong, conv4, "
        f"{figures['epochs']} epochs, a half kept, {figures['seeds']} seeds: mean, least to most."
    )
    return "\n".join([*lines, "", what, "", _stamp(figures), ""])


def _keep_one(figures: dict[str, Any]) -> str:
    ways = [name for name in next(iter(figures["networks"].values())) if name != "plain"]
    lines = ["| network | " + " | ".join(ways) + " |", "|---" * (1 + len(ways)) + "|"]
    for network, rows in figures["networks"].items():
        cells = []
        for name in ways:
            low, middle, high = quantiles(rows[name]["more"], n=4)
            cells.append(f"{middle:+.1%} ({low:+.1%} to {high:+.1%})")
        lines.append(f"| {network} | {' | '.join(cells)} |")
    what = f"Time beside plain training: median and quartiles of {figures['epochs']} epochs."
    return "\n".join([*lines, "", what, "", _stamp(figures), ""])


def _batch_norm(figures: dict[str, Any]) -> str:
    lines = [
        "| method | statistics as training left them | anew from all images |",
        "|---|---|---|",
    ]
    for name, rows in _by_method(figures).items():
        left, renewed = (_share_span([row[key] for row in rows], 2) for key in ("left", "renewed"))
        lines.append(f"| {name} | {left} | {renewed} |")
    what = (
        f"{figures['data']}, test accuracy, {figures['model']}, {figures['epochs']} epochs, "
        f"{figures['keep']} kept, {figures['seeds']} seeds: mean, least to most."
    )
    return "\n".join([*lines, "", what, "", _stamp(figures), ""])


def _by_method(figures: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    names = dict.fromkeys(row["method"] for row in figures["rows"])
    return {name: [r for r in figures["rows"] if r["method"] == name] for name in names}


def _share_span(values: list[float], digits: int = 0) -> str:
    middle, low, high = (f"{v:.{digits}%}" for v in (mean(values), min(values), max(values)))
    return f"{middle} ({low} to {high})"


def _span(values: list[float]) -> str:
    return f"{median(values):.1f} ({min(values):.1f} to {max(values):.1f})"


def _occlusion(figures: dict[str, Any]) -> str:
    lines = ["| covered images | seconds | to reach |", "|---|---|---|"]
    goals = {"batched": f"{figures['to_reach']:.0f}"}
    lines += [
        f"| {figures['places']}, {how} | {median(values):.2f} ({min(values):.2f} to "
        f"{max(values):.2f}) | {goals.get(how, '')} |"
        for how, values in figures["seconds"].items()
    ]
    return "\n".join([*lines, "", _stamp(figures), ""])


def _maps(figures: dict[str, Any]) -> str:
    to_reach = figures["to_reach"]["take_and_store"]
    heads = ["size", f"taken and stored, to reach {to_reach:.0f} s", "computed alone", "read back"]
    heads = [f"maps of {figures['images']:,} images", *heads, "faster than computed"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for stage, row in figures["stages"].items():
        cells = " | ".join(
            f"{median(each):.1f} s ({min(each):.1f} to {max(each):.1f}); "
            f"{median(row['processor_seconds'][name]):.1f} s of processor"
            for name, each in row["seconds"].items()
        )
        faster = f"{row['read_back_times_faster']:.1f} times"
        lines.append(f"| {stage} | {row['megabytes']:.0f} MB | {cells} | {faster} |")
    return "\n".join([*lines, "", _stamp(figures), ""])


def _freeze(figures: dict[str, Any]) -> str:
    whole, frozen = "its share of a step that trains all", "its share of a frozen step"
    heads = ["prefix", whole, "faster than that", frozen, "faster than that", "same weights"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for case, row in figures["cases"].items():
        share, faster = row["share_of_operations"], row["times_faster_than"]
        cells = [
            f"{share[of]:.0%} | {faster[way]['median']:.1f} times ({faster[way]['least']:.1f} to "
            f"{faster[way]['most']:.1f})"
            for of, way in (("of_all_trained", "all trained"), ("of_frozen", "frozen"))
        ]
        same = "yes" if row["same_weights"] else "no"
        lines.append(f"| {case} | {' | '.join(cells)} | {same} |")
    return "\n".join([*lines, "", _stamp(figures), ""])


def _undefined(figures: dict[str, Any]) -> str:
    gradients = "first and largest gradient norm"
    heads = ["maps", "negative", "learning rate", "loss", "undefined at step"]
    heads += ["largest logit gap", gradients, "dead ReLUs, last step"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for case, rows in figures["cases"].items():
        for rate in ("0.1", "0.4"):
            for loss in ("log of softmax", "log-softmax"):
                cells = _undefined_cells(rows[f"lr {rate}, {loss}"])
                start = f"{case} | {rows['negative']:.0%} | {rate} | {loss}"
                lines.append(f"| {start} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", _stamp(figures), ""])


def _undefined_cells(runs: list[dict[str, Any]]) -> list[str]:
    ended = [str(run["undefined_at_step"] or "never") for run in runs]
    gap = max(run["largest_logit_gap"] for run in runs)
    first = max(run["first_gradient_norm"] for run in runs)
    largest = max(run["largest_gradient_norm_before"] for run in runs)
    names = runs[0]["dead_relus"]
    dead = (f"{name} {median(run['dead_relus'][name] for run in runs):.0%}" for name in names)
    return [", ".join(ended), f"{gap:.3g}", f"{first:.0f}, {largest:.3g}", ", ".join(dead)]


def _index(figures: dict[str, Any]) -> str:
    goal = figures["to_reach"]
    lines = ["| | " + " | ".join(figures["data"]) + " | to reach |"]
    lines += ["|---" * (len(figures["data"]) + 2) + "|"]
    own = figures["data"].values()
    rows = [
        ("build, seconds", [f"{row['build_seconds']:.0f}" for row in own], goal["build_seconds"]),
        ("peak memory", [f"{row['peak_megabytes']:.0f} MB" for row in own],
         f"{goal['peak_megabytes']} MB"),
        ("query, milliseconds, median", [_quietest(row) for row in own],
         goal["query_milliseconds"]),
        ("recall of the ten nearest", [f"{row['recall']:.3f}" for row in own], goal["recall"]),
    ]  # fmt: skip
    lines += [f"| {name} | {' | '.join(cells)} | {to_reach} |" for name, cells, to_reach in rows]
    what = (
        f"{figures['rows']:,} signatures of {figures['dimensions']} dimensions, "
        f"{next(iter(own))['queries']} queries that are not among them, one after the other; "
        "the median of the quietest round, and in brackets those of all but the first. Others used "
        "the machine; the queries had a higher priority. LanceDB uses both of its cores."
    )
    return "\n".join([*lines, "", what, "", _stamp(figures), ""])


def _quietest(row: dict[str, Any]) -> str:
    rounds = row["query_milliseconds_rounds"][1:]
    return f"{row['query_milliseconds']:.1f} ({min(rounds):.1f} to {max(rounds):.1f})"


def _index_folders(figures: dict[str, Any]) -> str:
    lines = [
        "| folder | a file, the network aside | the network, a file | again, a file | to reach |",
        "|---|---|---|---|---|",
    ]
    for form, row in figures["folders"].items():
        own = (f"{row[f'{name}milliseconds_a_file']:.2f} ms" for name in ("", "forward_", "again_"))
        goal = f"{figures['to_reach']['file_milliseconds']} ms" if form == "png" else ""
        side = row["side"]
        name = f"{row['files']:,} {form.upper()} of {side} by {side}"
        lines.append(f"| {name} | {' | '.join(own)} | {goal} |")
    return "\n".join([*lines, "", _stamp(figures), ""])


def _explore_jobs(figures: dict[str, Any]) -> str:
    lines = [
        "| command | seconds | to reach | memory | report | neighbours on the map agree |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in figures["jobs"].items():
        agree = row["map_neighbour_accuracy"]
        command = name.replace(", t-SNE map", " --map tsne")
        lines.append(
            f"| `imprint explore {command}` | {row['seconds']:.0f} | {figures['to_reach'][name]} "
            f"| {row['megabytes']:.0f} MB | {row['report_megabytes']:.0f} MB "
            f"| {'' if agree is None else format(agree, '.1%')} |"
        )
    return "\n".join([*lines, "", _stamp(figures), ""])


def _explore_growth(figures: dict[str, Any]) -> str:
    lines = ["| samples | seconds | of which the judge | memory |", "|---|---|---|---|"]
    for count, row in figures["growth"].items():
        lines.append(
            f"| {int(count):,} | {row['seconds']:.0f} | {row['stages']['labels']:.0f} "
            f"| {row['megabytes']:.0f} MB |"
        )
    return "\n".join([*lines, "", _stamp(figures), ""])


def _explore_planted(figures: dict[str, Any]) -> str:
    lines = ["| what was planted | found | of what was found, planted |", "|---|---|---|"]
    for kind in figures["planted"][0]:
        if kind == "seconds":
            continue
        rows = [row[kind] for row in figures["planted"]]
        found, right = (_share_span([row[key] for row in rows]) for key in ("recall", "precision"))
        lines.append(f"| {kind} | {found} | {right} |")
    return "\n".join([*lines, "", _stamp(figures), ""])


def _robust(figures: dict[str, Any]) -> str:
    """What withstands FGSM on itself, way by way."""
    lines = [
        "| trained on | clean | FGSM, cross entropy | FGSM, log odds |",
        "|---|---|---|---|",
        *(
            "| {} | {:.1f} ± {:.1f} % | {:.1f} ± {:.1f} % | {:.1f} ± {:.1f} % |".format(
                row["way"], *row["clean"], *row["fgsm"], *row["fgsm_log_odds"]
            )
            for row in figures["ways"]
        ),
    ]
    seeds = f"Mean ± standard deviation of {figures['seeds']} seeds."
    return "\n".join([*lines, "", f"{_stamp(figures)[:-1]} {seeds}\n"])


def _paper() -> list[dict[str, Any]]:
    """The parts of the reproduction."""
    return [json.loads(path.read_text()) for path in sorted(RESULTS.glob("reproduce_*.json"))]


def _verdicts(parts: list[dict[str, Any]]) -> str:
    """Each claim of the paper in a line."""
    lines = ["| | claim | printed | ours | verdict |", "|---|---|---|---|---|"]
    for finding in (finding for figures in parts for finding in figures["findings"]):
        for claim in finding["claims"]:
            told = [claim[key] for key in ("says", "printed", "ours")]
            where = f"[{finding['name']}](#{_anchor(finding['title'])})"
            lines.append(f"| {where} | {' | '.join(told)} | **{claim['verdict']}** |")
    return "\n".join([*lines, "", *map(_paper_stamp, parts)])


def _paper_stamp(figures: dict[str, Any]) -> str:
    hours = figures["cpu_seconds"] / 3600
    return f"{_stamp(figures)[:-1]} It takes {hours:.1f} hours of one core.\n"


def _findings(figures: dict[str, Any]) -> str:
    """What was asked and what came out, figure by figure."""
    return "\n".join(_finding(finding, figures["seeds"]) for finding in figures["findings"])


def _finding(finding: dict[str, Any], seeds: dict[str, int]) -> str:
    counted = f"{seeds[finding['name']]} seeds."
    parts = [f"### {finding['title']}", finding["question"], f"{finding['answer']} {counted}"]
    columns = ("claim", "printed", "ours", "control", "verdict")
    lines = [
        (claim["says"], claim["printed"], claim["ours"], claim["control"], _because(claim))
        for claim in finding["claims"]
    ]
    if lines:
        parts.append(_markdown(columns, lines))
    for table in finding["tables"]:
        parts += [_markdown(table["columns"], table["lines"]), table["caption"]]
    return "\n\n".join([*parts, ""])


def _because(claim: dict[str, Any]) -> str:
    return f"**{claim['verdict']}**: {claim['because']}"


def _markdown(columns: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [columns, ["---"] * len(columns), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _anchor(title: str) -> str:
    return re.sub(r"\s+", "-", re.sub(r"[^a-z0-9\s-]", "", title.lower()))


def _stamp(figures: dict[str, Any]) -> str:
    machine, versions = figures["machine"], figures["versions"]
    gpu, cores = machine["gpu"] or "no GPU", machine["cores"]
    threads = "1 thread" if cores == 1 else f"{cores} threads"
    return (
        f"`{figures['command']}`, {figures['date']}, {machine['processor']}, "
        f"{threads}, {gpu}, torch {versions['torch']}.\n"
    )


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(filled(page.read_text()))
