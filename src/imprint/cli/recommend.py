"""`imprint recommend`: what is similar to what is liked, and unlike what is not."""

import json
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from imprint.cli import index_queries
from imprint.cli.index_queries import opened_index, query_of, with_model
from imprint.cli.terminal import bare_table, command_line, print_paths, result_console
from imprint.data import spelled
from imprint.errors import InvalidValueError
from imprint.finding import Recommendation
from imprint.finding import recommend as run_recommendation
from imprint.runs import check_vacant, claim, write_json

__all__ = ["recommend"]

_what = partial(typer.Option, rich_help_panel="What to recommend")


def recommend(
    context: typer.Context,
    index: index_queries.Index,
    *,
    like: Annotated[
        list[str] | None, _what("--like", help="A row's id or a file that is liked; any number.")
    ] = None,
    unlike: Annotated[
        list[str] | None, _what("--not", help="A row's id or a file that is not; any number.")
    ] = None,
    k: Annotated[int, _what("-k", help="Tracks to recommend.")] = 10,
    spread: Annotated[
        float, _what(help="0: the most similar; towards 1: unlike one another.")
    ] = 0.0,
    where: Annotated[
        str | None,
        _what(help="A filter on columns: \"collection = 'x' AND year > 1999\".",
              show_default="all rows"),
    ] = None,
    local_scaling: index_queries.LocalScaling = False,
    model: index_queries.Model = None,
    device: index_queries.Device = "auto",
    out: index_queries.Report = None,
    as_json: index_queries.AsLines = False,
) -> None:  # fmt: skip
    """Recommend what is similar to what is liked and unlike what is not, one of each track."""
    with redirect_stdout(sys.stderr):  # whatever a network of the user's own prints
        found = _recommend(context.params)
    if as_json:
        for line in found.result["found"]:
            typer.echo(json.dumps(line, ensure_ascii=False))
    else:
        _show(found.result["found"], out)


def _recommend(given: dict[str, Any]) -> Recommendation:
    """Open the index, recommend, write the report where one is asked for."""
    folder, names = given["out"], given["like"] or []
    if not names:
        raise InvalidValueError("like: expected --like with an ID or a FILE, got none")
    if folder is not None:
        check_vacant(folder)
    gallery, about = opened_index(given["index"])
    like, unlike = (
        {spelled(name): query_of(gallery, about, name, option) for name in some}
        for option, some in (("like", names), ("not", given["unlike"] or []))
    )
    files = any(isinstance(own, Path) for own in (*like.values(), *unlike.values()))
    if files or given["model"] is not None:
        gallery = with_model(gallery, about, given, needed=files)
    asked = {name: given[name] for name in ("k", "spread", "where", "local_scaling")}
    found = run_recommendation(gallery, like, unlike, **asked, pictures=folder is not None)
    if folder is not None:
        _write(found, folder, given)
    return found


def _write(found: Recommendation, folder: Path, given: dict[str, Any]) -> None:
    command = command_line()
    names = ("index", "like", "unlike", "k", "spread", "where", "local_scaling")
    asked = {name: given[name] for name in names}
    run = None if given["model"] is None else str(given["model"])
    config = {"command": "recommend", **asked, "model": run, "command_line": command}
    write_json(claim(folder) / "config.json", config)
    found.write(folder, command)


def _show(rows: Sequence[dict[str, Any]], folder: Path | None) -> None:
    """Print a line a result, and where the files are."""
    console = result_console()
    console.print(_table(rows))
    if folder is not None:
        print_paths(console, folder)


def _table(rows: Sequence[dict[str, Any]]) -> Table:
    """Likeness to what is liked and to what is not, the part that agrees, what it is."""
    table = bare_table()
    numbers = ["similarity"] + ["unlike_similarity"] * any(
        row["unlike_similarity"] is not None for row in rows
    )
    for name in numbers:
        table.add_column({"unlike_similarity": "to --not"}.get(name, name), justify="right")
    names = ["agrees"] * any("agrees" in row for row in rows) + ["id", "label"]
    for name in names:
        table.add_column(name, overflow="ellipsis", no_wrap=True)
    for row in rows:
        cells = ("" if row[name] is None else str(row[name]) for name in names)
        shown = map(escape, cells)
        table.add_row(*(f"{row[name]:.4f}" for name in numbers), *shown)
    return table
