"""`imprint app`: a page on this machine that shows runs, networks and sounds."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from imprint.app import Address, NamedFolders, listening_socket, read_password, serve
from imprint.errors import InvalidValueError

__all__ = ["web_app"]

_what = partial(typer.Option, rich_help_panel="What to show")
_where = partial(typer.Option, rich_help_panel="Where to listen")

USUAL = Address()


def web_app(
    *,
    runs: Annotated[Path, _what(help="The folder of runs.")] = Path("runs"),
    index: Annotated[
        str | None,
        _what(help="An index of sounds or images: a folder or an address.", show_default="none"),
    ] = None,
    data: Annotated[
        list[Path] | None,
        _what(
            help="A folder that runs or the index name, to be read; several times for more.",
            show_default="known sets alone",
        ),
    ] = None,
    model: Annotated[
        list[Path] | None,
        _what(
            help="A run whose network is code of your own, which may run; several times for more.",
            show_default="none",
        ),
    ] = None,
    largest_upload: Annotated[int, _what(help="Megabytes of a file that is dropped.")] = 50,
    host: Annotated[
        str, _where(help="Where to listen; another than this machine wants a password.")
    ] = USUAL.host,
    port: Annotated[int, _where(help="Port; 0 takes a free one.")] = USUAL.port,
    password_file: Annotated[
        Path | None,
        _where(
            help="A file whose first line is the password.",
            show_default="the variable IMPRINT_PASSWORD",
        ),
    ] = None,
    browse: Annotated[bool, _where("--open/--no-open", help="Open a browser.")] = False,
) -> None:
    """Open a page: see a training, look at data, into networks, fool them, listen."""
    if not 1 <= largest_upload <= 10_000:
        raise InvalidValueError(f"largest_upload: expected 1 … 10,000, got {largest_upload}")
    folders = NamedFolders(runs, data=data or (), trusted=model or ())
    password = read_password(password_file)
    address = Address(host, port)
    serve(
        folders,
        index=index,
        bound=listening_socket(address, password=password),
        address=address,
        password=password,
        largest=largest_upload,
        browse=browse,
        on_ready=_tell,
    )


def _tell(place: str) -> None:
    typer.echo(f"Imprint is at {place}; Ctrl-C ends it.")
