"""The `imprint` command: its commands, and how it ends on a mistake or an interruption."""

import errno
import sys
from importlib.metadata import version
from typing import Annotated

import typer

from imprint.allocator import keep_freed_memory
from imprint.cli.attack import attack
from imprint.cli.bench import bench
from imprint.cli.early_exit import early_exit
from imprint.cli.explore import explore
from imprint.cli.export import export
from imprint.cli.index import index
from imprint.cli.lists import ListCommand
from imprint.cli.plan_skip import plan_skip
from imprint.cli.predict import predict
from imprint.cli.recommend import recommend
from imprint.cli.reproduce import reproduce
from imprint.cli.search import search
from imprint.cli.see import see
from imprint.cli.train import train
from imprint.cli.web_app import web_app
from imprint.errors import ImprintError

__all__ = ["app", "main"]

_INTERRUPTED = 130
_STOPPED = "imprint: interrupted"
_KEPT = f"{_STOPPED}; where an epoch was done, --resume with --out continues from there"
_RESUMABLE = {"train", "bench", "reproduce"}
"""Commands that go on where they were stopped."""

app = typer.Typer(
    name="imprint",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Finds what a network already knows, and stops paying for it.",
)
app.command()(train)
app.command()(plan_skip)
app.command()(explore)
app.command()(see)
app.command()(early_exit)
app.command()(predict)
app.command()(export)
app.command(cls=ListCommand)(attack)
app.command()(index)
app.command()(search)
app.command()(recommend)
app.command()(reproduce)
app.command("app")(web_app)
app.add_typer(bench)


def _show_version(asked: bool) -> None:  # noqa: FBT001 - typer calls it so
    if asked:
        typer.echo(f"imprint {version('imprint')}")
        raise typer.Exit


@app.callback()
def options(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    """Finds what a network already knows, and stops paying for it."""


def main() -> None:
    """Run the command line; a user's mistake is one line and exit code 2, Ctrl-C is 130.

    Examples:
        >>> main.__name__
        'main'
    """
    if sys.argv[1:2] != ["app"]:  # it runs for days beside others
        keep_freed_memory()
    try:
        code = app(standalone_mode=False)  # typer gives 130 for Ctrl-C, older ones raise Abort
    except ImprintError as error:
        _leave(f"imprint: error: {error}", 2)
    except typer.Abort:
        code = _INTERRUPTED
    except OSError as error:  # before Python 3.12 to ask whether a file is there may fail
        if error.errno != errno.ENAMETOOLONG:
            raise
        _leave(f"imprint: error: expected a shorter name, got {str(error.filename)[:60]}…", 2)
    except Exception as error:  # click's own errors of usage carry their code
        if not hasattr(error, "exit_code"):
            raise
        text = error.format_message() if hasattr(error, "format_message") else str(error)
        _leave(f"imprint: error: {text}" if text.strip() else "", 2)  # `imprint` alone shows help
    if code == _INTERRUPTED:
        goes_on = bool(_RESUMABLE & set(sys.argv[1:2])) and "same-track" not in sys.argv
        _leave(_KEPT if goes_on else _STOPPED, _INTERRUPTED)


def _leave(message: str, code: int) -> None:
    sys.stdout.flush()
    if message:
        typer.echo(" ".join(message.split()), err=True)
    sys.exit(code)
