"""`imprint search`: what is similar to a file or to a row of an index."""

import json
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from imprint.cli import index_queries
from imprint.cli.index_queries import opened_index, query_of, with_model
from imprint.cli.terminal import bare_table, command_line, print_paths, result_console
from imprint.data import spelled
from imprint.errors import InvalidValueError
from imprint.finding import SearchResult, find
from imprint.runs import check_vacant, claim, write_json

__all__ = ["search"]

_what = partial(typer.Option, rich_help_panel="What to look for")


def search(
    context: typer.Context,
    index: index_queries.Index,
    query: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILE|ID", help="A file, or the id of a row; several for more."),
    ] = None,
    *,
    k: Annotated[int, _what("-k", help="Rows for each query.")] = 10,
    where: Annotated[
        str | None,
        _what(help="A filter on columns: \"collection = 'x' AND year > 1999\".",
              show_default="all rows"),
    ] = None,
    duplicates: Annotated[
        float | None,
        _what(help="List pairs of rows at least so similar, such as 0.999.", show_default="none"),
    ] = None,
    local_scaling: index_queries.LocalScaling = False,
    model: index_queries.Model = None,
    device: index_queries.Device = "auto",
    out: index_queries.Report = None,
    as_json: index_queries.AsLines = False,
) -> None:  # fmt: skip
    """Find the images or sounds most similar to a file or to a row, or near duplicates."""
    with redirect_stdout(sys.stderr):  # whatever a network of the user's own prints
        found = _search(context.params)
    if as_json:
        for line in _lines(found.result):
            typer.echo(json.dumps(line, ensure_ascii=False))
    else:
        _show(found.result, out)


def _search(given: dict[str, Any]) -> SearchResult:
    """Open the index, search, write the report where one is asked for."""
    names, folder = given["query"] or [], given["out"]
    if not names and given["duplicates"] is None:
        raise InvalidValueError("query: expected a FILE, an ID or --duplicates, got none")
    if folder is not None:
        check_vacant(folder)
    gallery, about = opened_index(given["index"])
    queries = {spelled(name): query_of(gallery, about, name) for name in names}
    files = any(isinstance(query, Path) for query in queries.values())
    if files or folder is not None or given["model"] is not None:
        gallery = with_model(gallery, about, given, needed=files)
    found = find(
        gallery,
        queries,
        k=given["k"],
        where=None if given["where"] is None else spelled(given["where"]),
        least=given["duplicates"],
        local_scaling=given["local_scaling"],
        pictures=folder is not None,
    )
    if folder is not None:
        _write(found, folder, given)
    return found


def _write(found: SearchResult, folder: Path, given: dict[str, Any]) -> None:
    command = command_line()
    asked = {
        name: given[name]
        for name in ("index", "query", "k", "where", "local_scaling", "duplicates")
    }
    run = None if given["model"] is None else str(given["model"])
    config = {"command": "search", **asked, "model": run, "command_line": command}
    write_json(claim(folder) / "config.json", config)
    found.write(folder, command)


def _lines(result: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for query in result["queries"]:
        for row in query["found"]:
            yield {"query": query["query"], **row}
    yield from result["duplicates"]


def _show(result: dict[str, Any], folder: Path | None) -> None:
    """Print what was found, a table a query, and where the files are."""
    console = result_console()
    for query in result["queries"]:
        if len(result["queries"]) > 1:
            console.print(query["query"], markup=False)
        console.print(_table(query["found"], "similarity", ("id", "label")))
    if result["least"] is not None:
        console.print(_table(result["duplicates"], "similarity", ("first", "second")))
    if folder is not None:
        print_paths(console, folder)


def _table(rows: list[dict[str, Any]], number: str, names: tuple[str, ...]) -> Table:
    """A line a row: its number, then what names it, each shortened where it is long."""
    table = bare_table()
    table.add_column(number, justify="right")
    for name in names:
        table.add_column(name, overflow="ellipsis", no_wrap=True)
    for row in rows:
        cells = ("" if row[name] is None else str(row[name]) for name in names)
        table.add_row(f"{row[number]:.4f}", *map(Text, cells))
    return table
