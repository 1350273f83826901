"""The tables of early exits, from the committed results."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

__all__ = ["exit_tables"]

Stamp = Callable[[dict[str, Any]], str]
Markdown = Callable[[Sequence[str], Sequence[Sequence[str]]], str]

ORDER = ("cifar10", "fashion-mnist", "mnist")


def exit_tables(results: Path, markdown: Markdown, stamp: Stamp) -> dict[str, str]:
    """Give each table in Markdown, by its name; none where nothing was measured."""
    paths = [results / f"exits_{kind}{name}.json" for name in ORDER for kind in ("", "first_")]
    found = [json.loads(path.read_text()) for path in paths if path.is_file()]
    named = {
        "exits-time": markdown(
            (
                "data",
                "exits for batches of",
                "full network",
                "extra error",
                "time at 256",
                "at 32",
                "at 1",
                "median latency at 1",
            ),
            [line for own in found for line in _times(own)],
        )
        + "\n\n"
        + "\n".join(map(stamp, found)).rstrip(),
        "exits-costs": markdown(
            (
                "data",
                "no exit taken: at 256",
                "at 32",
                "at 1",
                "onnxruntime: at 256",
                "at 32",
                "at 1",
            ),
            [_costs(own) for own in found],
        ),
    }
    for own in found:
        name = f"{'first-' if own.get('first_epochs') else ''}{own['data']}"
        named[f"exits-layers-{name}"] = _layers(own, markdown)
        named[f"exits-side-{name}"] = _side(own, markdown)
        named[f"exits-attacked-{name}"] = _attacked(own, markdown)
    drawn = results / "calibration.json"
    if drawn.is_file():
        named["calibration"] = _calibration(json.loads(drawn.read_text()), markdown, stamp)
    limited = results / "exit_overhead.json"
    if limited.is_file():
        named["exit-overhead"] = _overhead(json.loads(limited.read_text()), markdown, stamp)
    return {name: f"{text}\n\n" for name, text in named.items()}


def _overhead(measured: dict[str, Any], markdown: Markdown, stamp: Stamp) -> str:
    """Exits under a limit on their overhead, and that overhead as measured."""
    lines = []
    for row in measured["rows"]:
        speed, cost = row["speed"][0], row["overhead"]
        layers = ", ".join(own["layer"] for own in row["exits"] if own["layer"] != "end")
        cells = [row["data"], row["head"], layers]
        cells.append("{:.0f} % ({:.0f} to {:.0f})".format(*_quartiles(speed)))
        cells.append(f"{100 * row['extra_error']:+.2f}")
        told = "{:+.1f} % ({:+.1f} to {:+.1f})".format(*_quartiles(cost)) if cost else ""
        lines.append([*cells, told])
    head = ("data", "head", "exits", "time", "extra error", "where none answers")
    return f"{markdown(head, lines)}\n\n{stamp(measured)}".rstrip()


def _quartiles(own: dict[str, Any]) -> list[float]:
    return [100 * own[key] for key in ("ratio", "low", "high")]


def _calibration(own: dict[str, Any], markdown: Markdown, stamp: Stamp) -> str:
    """Each way's time over many draws, its deciles, and how often no exit was opened."""
    lines = []
    for row in own["rows"]:
        deciles = (100 * row[f"time_{key}"] for key in ("mean", "low", "high"))
        cells = [row["case"], f"{row['calibrating']:,}", row["way"]]
        cells.append("{:.0f} % ({:.0f} to {:.0f})".format(*deciles))
        cells.append(f"{100 * row['no_exit']:.0f} %")
        cells.append(f"{100 * row['extra_error_mean']:+.2f}")
        lines.append([*cells, f"{100 * row['broken']:.1f} %"])
    head = ("data", "calibrating images", "steps", "time", "no exit", "extra error", "broken")
    return f"{markdown(head, lines)}\n\n{stamp(own)}".rstrip()


def _times(own: dict[str, Any]) -> list[list[str]]:
    name = _name(own)
    return [
        _time_line(name, own["early_exit"], "256"),
        _time_line(name, own["early_exit_for_batches_of_1"], "1"),
    ]


def _name(own: dict[str, Any]) -> str:
    return f"{own['data']}, ResNet-8 first" if own.get("first_epochs") else str(own["data"])


def _time_line(data: str, result: dict[str, Any], batch: str) -> list[str]:
    speeds = {row["batch_size"]: row for row in result["speed"]}
    times = [_spread(speeds[size]) if size in speeds else "" for size in (256, 32, 1)]
    latency = f"{100 * speeds[1]['latency_ratio']:.0f} %" if 1 in speeds else ""
    accuracy = f"{100 * result['full_accuracy']:.2f} %"
    return [data, batch, accuracy, f"{100 * result['extra_error']:+.2f}", *times, latency]


def _spread(row: dict[str, Any]) -> str:
    low, high = 100 * row["low"], 100 * row["high"]
    return f"{100 * row['ratio']:.0f} % ({low:.0f} to {high:.0f})"


def _costs(own: dict[str, Any]) -> list[str]:
    overhead, onnx = own["overhead"], own["onnx"]["time_ratio"]
    return [
        _name(own),
        *(f"{100 * overhead[size]:+.1f} %" if overhead else "" for size in ("256", "32", "1")),
        *(f"{100 * onnx[size]:.0f} %" for size in ("256", "32", "1")),
    ]


def _layers(own: dict[str, Any], markdown: Markdown) -> str:
    return markdown(
        ("answered at", "share", "accuracy there", "full network on the same"),
        [
            [
                row["layer"],
                f"{100 * row['share']:.1f} %",
                _percent(row["accuracy"]),
                _percent(row["full_accuracy"]),
            ]
            for row in own["early_exit"]["exits"]
        ],
    )


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.2f} %"


def _side(own: dict[str, Any], markdown: Markdown) -> str:
    found = own["side_by_side"]
    lines = []
    for row in found["methods"]:
        point = row["at_limit"]
        if point is None:
            lines.append((2.0, [row["method"], "nothing within the limit", "", ""]))
            continue
        spread = {key: point[f"measured_{key}"] for key in ("low", "high")}
        cells = [
            row["method"],
            _spread({"ratio": point["measured_time"], **spread}),
            f"{100 * point['accuracy']:.2f} %",
            f"{100 * point['extra_error']:+.2f}",
        ]
        lines.append((point["measured_time"], cells))
    for row in found["smaller"]:
        spread = {key: row[f"measured_{key}"] for key in ("low", "high")}
        extra = found["full_accuracy"] - row["accuracy"]
        cells = [
            f"{row['network']}, trained alone",
            _spread({"ratio": row["measured_time"], **spread}),
            f"{100 * row['accuracy']:.2f} %",
            f"{100 * extra:+.2f}",
        ]
        lines.append((row["measured_time"], cells))
    ordered = [cells for _, cells in sorted(lines, key=lambda line: line[0])]
    return markdown(("way", "time", "accuracy", "extra error"), ordered)


def _attacked(own: dict[str, Any], markdown: Markdown) -> str:
    """The worse of the images made on either network, for each that is judged."""
    rows = own["attacked"]
    epsilons = sorted({row["epsilon"] for row in rows})
    attacks = list(dict.fromkeys((row["attack"], row["loss"]) for row in rows))
    lines = []
    for attack, loss in attacks:
        for judged in ("full", "early"):
            cells = []
            for epsilon in epsilons:
                asked = {"attack": attack, "loss": loss, "judged_on": judged, "epsilon": epsilon}
                worst = min(row["accuracy"] for row in rows if asked.items() <= row.items())
                cells.append(f"{100 * worst:.1f} %")
            lines.append([f"{attack} by {loss}", judged, *cells])
    names = [f"{255 * epsilon:.0f}/255" for epsilon in epsilons]
    return markdown(("attack", "network", *names), lines)
