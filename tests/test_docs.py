"""The documentation is true: its code runs, its links lead somewhere, its options exist.

A block of python that is not to be run is marked by a comment on the line before it, which the
page does not show: `<!-- not run: needs a GPU -->`. The blocks of a page share their names.
"""

import importlib.util
import re
from pathlib import Path

import pytest
import torch
import typer
from markdown.extensions.toc import slugify

from imprint.cli.app import app

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
EXECUTED = [page for page in PAGES if page.name == "README.md" or page.parent.name == "docs"]


def _flat(commands, group=""):
    """Commands by name, those of a group behind its own: `bench skip`."""
    for name, command in commands.items():
        if hasattr(command, "commands"):
            yield from _flat(command.commands, f"{name} ")
        else:
            yield group + name, command


COMMANDS = dict(_flat(typer.main.get_command(app).commands))
NAMES = "|".join(sorted(COMMANDS, key=len, reverse=True))

FENCE = re.compile(
    r"^(?P<before>[^\n]*)\n```(?P<language>\w*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL
)
LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")
HEADING = re.compile(r"^#+ (?P<title>.+)$", re.MULTILINE)
HOST = re.compile(r"https?://(?P<host>[^/\s)>\"']+)")
COMMAND = re.compile(rf"^(?:\$ )?imprint (?P<command>{NAMES}|\S+)(?P<rest>.*)$", re.MULTILINE)
INLINE = re.compile(rf"`imprint (?P<command>{NAMES}|[^\s`]+)(?P<rest>[^`]*)`")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")

HOSTS = {"arxiv.org", "creativecommons.org", "doi.org", "keepachangelog.com", "semver.org"}
"""Hosts that a page may name: where texts are kept, never where packages are."""


def name(page):
    return str(page.relative_to(ROOT))


def python_blocks(page):
    """Give each python block to run, after as many empty lines as stand before it in the page."""
    text = page.read_text()
    for block in FENCE.finditer(text):
        if block["language"] == "python" and not block["before"].startswith("<!-- not run: "):
            yield "\n" * text[: block.start("code")].count("\n") + block["code"]


def anchors(page):
    text = FENCE.sub("", page.read_text())
    return {slugify(re.sub(r"[`*]", "", title), "-") for title in HEADING.findall(text)}


def options_of(command):
    parameters = COMMANDS[command].params
    return {option for p in parameters for option in (*p.opts, *p.secondary_opts) if "--" in option}


@pytest.mark.parametrize("page", EXECUTED, ids=name)
def test_python_blocks_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "page"}
    blocks = list(python_blocks(page))
    with torch.random.fork_rng():
        for code in blocks:
            exec(compile(code, page, "exec"), names)
    assert blocks or page.name not in {"README.md", "python.md"}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page):
    lost = []
    for target in LINK.findall(FENCE.sub("", page.read_text())):
        path, _, anchor = target.partition("#")
        if "://" in target:
            continue
        file = page.parent / path if path else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            lost.append(target)
    assert lost == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_pages_name_no_machine_and_no_registry(page):
    text = page.read_text()
    assert set(HOST.findall(text)) <= HOSTS
    assert re.findall(r"(?<![\w.])/(?:work|root|opt|home|tmp)\b", text) == []
    assert "index-url" not in text


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_and_their_options_exist(page):
    text = page.read_text()
    shell = "\n".join(
        block["code"] for block in FENCE.finditer(text) if block["language"] == "bash"
    )
    uses = [*COMMAND.findall(shell.replace("\\\n", " ")), *INLINE.findall(text)]
    assert {command for command, _ in uses} <= set(COMMANDS)
    wrong = [(c, o) for c, rest in uses for o in OPTION.findall(rest) if o not in options_of(c)]
    assert wrong == []


def test_the_benchmarks_page_shows_the_committed_results(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    spec = importlib.util.spec_from_file_location("tables", ROOT / "benchmarks" / "tables.py")
    tables = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tables)
    texts = [page.read_text() for page in tables.PAGES]
    assert texts == [tables.filled(text) for text in texts]
    places = {place["name"] for text in texts for place in tables.PLACE.finditer(text)}
    assert tables.tables().keys() == places


PAGE_OF = {"index": "indexing"}
"""Commands whose page has another name: the site begins with index.md."""


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_each_commands_page_names_each_of_its_options_and_no_other(command):
    page = PAGE_OF.get(command, command.replace(" ", "-"))
    text = (ROOT / "docs" / f"{page}.md").read_text()
    rows = "\n".join(line.split("|")[1] for line in text.splitlines() if line.startswith("| `--"))
    assert set(OPTION.findall(rows)) == options_of(command)
