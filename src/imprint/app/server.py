"""From named folders to a page that can be opened."""

import signal
import socket
import tempfile
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from imprint.app.addresses import Address, is_loopback
from imprint.app.extra import gradio
from imprint.app.guard import Guard
from imprint.app.named_folders import NamedFolders
from imprint.app.page import STYLE, build_page, page_theme
from imprint.app.password import matches
from imprint.app.sources import Sources, sources_of

__all__ = ["build_app", "serve"]

MEGABYTE = 1_000_000

WELCOME = "Any name will do; the password is the one that the app was started with."


def serve(
    folders: NamedFolders,
    *,
    index: str | None,
    bound: socket.socket,
    address: Address,
    password: str | None = None,
    largest: int = 50,
    browse: bool = False,
    on_ready: Callable[[str], None] = lambda _: None,
) -> None:
    """Serve the app until it is interrupted.

    Args:
        folders: what it may read.
        index: of images or sounds: a folder or an address, or None.
        bound: the socket that it listens on.
        address: what that was opened for.
        password: that a visitor must know; None lets all in.
        largest: megabytes that an upload may have.
        browse: whether to open a browser.
        on_ready: called with the page's address, just before the first visitor is answered.

    Raises:
        MissingExtraError: without `imprint[app]`.
        ImprintError: for an index that is not there or cannot be read.

    Examples:
        >>> serve.__name__
        'serve'
    """
    with ended_by_signals(), tempfile.TemporaryDirectory(prefix="imprint-app-") as own, bound:
        cache = Path(own).resolve()
        gradio(cache)
        import uvicorn

        sources = sources_of(folders, index, cache)
        hosts = _hosts(address.host) if is_loopback(address.host) else frozenset[str]()
        app = build_app(sources, password=password, largest=largest)
        guarded: Any = Guard(app, cache=cache, largest=largest * MEGABYTE, hosts=hosts)
        place = _url(address.host, bound.getsockname()[1])
        on_ready(place)
        if browse:
            webbrowser.open(place)
        config = uvicorn.Config(
            guarded, log_level="warning", access_log=False, timeout_graceful_shutdown=1
        )
        uvicorn.Server(config).run(sockets=[bound])


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """End as Ctrl-C does where the process is told to end, or its terminal is closed.

    By default it would be gone at once, and what visitors dropped would stay.

    Examples:
        >>> with ended_by_signals():
        ...     pass
    """

    def leave(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    asked = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    usual = [number for number in asked if signal.getsignal(number) is signal.SIG_DFL]
    for number in usual:
        signal.signal(number, leave)
    try:
        yield
    finally:
        for number in usual:
            signal.signal(number, signal.SIG_DFL)


def build_app(sources: Sources, *, password: str | None, largest: int) -> Any:
    """Put the page behind its addresses; share links, analytics and histories are off.

    Args:
        sources: what its tabs draw from.
        password: that a visitor must know; None lets all in.
        largest: megabytes that an upload may have.

    Returns:
        The ASGI application.

    Examples:
        >>> build_app.__name__
        'build_app'
    """
    gr = gradio()
    from fastapi import FastAPI

    outer = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    return gr.mount_gradio_app(
        outer,
        build_page(sources),
        path="/",
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        mcp_server=False,
        enable_monitoring=False,
        pwa=False,
        allowed_paths=[],
        show_error=True,
        max_file_size=largest * MEGABYTE,
        auth=None if password is None else matches(password),
        auth_message=None if password is None else WELCOME,
        theme=page_theme(),
        css_paths=[STYLE],
    )


def _hosts(host: str) -> frozenset[str]:
    return frozenset({"localhost", "127.0.0.1", "[::1]", host})


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
