"""What stands before every request: the app's own files and no others, and nothing from outside."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from imprint.app.named_files import FILE, may_name, may_serve
from imprint.app.uploads import make_room

__all__ = ["Guard"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

API = "/gradio_api/"

CLOSED = (
    *("/docs", "/redoc", "/openapi.json", "/monitoring", "/proxy=", f"{API}proxy=", f"{API}mcp"),
    *(f"{API}runs", f"{API}run-history", f"{API}openapi.json", f"{API}profiling", f"{API}dev/"),
    *(f"{API}vibe-", f"{API}undo-vibe-", f"{API}deep_link", f"{API}component_server"),
    *(f"{API}custom_component", f"{API}process_recording", f"{API}stream/", f"{API}call/"),
)
"""How paths begin that Gradio or FastAPI would answer, and that the app has no use for."""

FORMS = ("/login", "/login/", "/logout")
"""Where a body is no JSON."""

LARGEST_BODY = 1_000_000
"""Bytes of a request that is no upload, and of what an upload has beside its file."""

KEPT = 20
"""Uploads of the largest size for which there is room: kept, and once more as many on their way."""

POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self' data: blob:; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
"""A browser loads nothing from another host, and shows the app in no other page."""

HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)


class Guard:
    """Refuses what the app does not serve, before anything else looks at it.

    Args:
        app: that answers all the rest.
        cache: the app's own folder, of which files are served.
        largest: bytes that an upload may have.
        hosts: names by which the app may be asked for; empty for any.

    Examples:
        >>> Guard.__name__
        'Guard'
    """

    def __init__(
        self, app: App, *, cache: Path, largest: int, hosts: frozenset[str] = frozenset()
    ) -> None:
        self._app, self._cache, self._largest, self._hosts = app, cache, largest, hosts
        self._coming = 0  # bytes of uploads on their way

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif not self._is_open(scope):
            await _refuse(scope, send)
        elif _is_upload(scope):
            await self._dropped(scope, receive, send)
        elif scope["method"] in {"GET", "HEAD"}:
            await self._app(scope, receive, _with_headers(send))
        else:
            await self._asked(scope, receive, send)

    async def _asked(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request with a body, which is read whole before anything is done by it."""
        body = await _whole(receive)
        form = scope["path"] in FORMS
        if body is None or not (form or may_name(body, self._cache)):
            await _refuse(scope, send)
            return
        told = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def again() -> Message:
            return next(told, None) or await receive()

        await self._app(scope, again, _with_headers(send))

    async def _dropped(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take an upload, which says its size; once it is in, the oldest files make way."""
        size, most = _size(scope), KEPT * self._largest
        if size is None or size > self._largest + LARGEST_BODY:
            await _refuse(scope, send, status=413)
            return
        if self._coming and self._coming + size > most:
            await _refuse(scope, send, status=503)
            return
        self._coming += size
        try:
            await self._app(scope, receive, _with_headers(send))
        finally:
            self._coming -= size
            await asyncio.to_thread(make_room, self._cache, most)

    def _is_open(self, scope: Scope) -> bool:
        path = scope["path"]
        if scope["type"] != "http" or f"/{path.lstrip('/')}".startswith(CLOSED):
            return False
        if self._hosts and _host_of(scope) not in self._hosts:
            return False  # a page elsewhere that has its own name lead here
        if _is_of_another_page(scope):
            return False
        if "file=" not in path:
            return True
        _, _, file = path.partition(FILE)
        return path.startswith(FILE) and all(
            may_serve(name, self._cache) for name in (file, unquote(file))
        )


def _host_of(scope: Scope) -> str:
    named = _header(scope, b"host")
    return named.rpartition(":")[0] if not named.endswith("]") and ":" in named else named


def _header(scope: Scope, name: bytes) -> str:
    found = (value.decode("latin-1") for key, value in scope["headers"] if key == name)
    return str(next(found, ""))


def _size(scope: Scope) -> int | None:
    """The bytes of a request's body; None where they are not said, or said twice in other words."""
    told = {value for key, value in scope["headers"] if key == b"content-length"}
    coded = any(key == b"transfer-encoding" for key, _ in scope["headers"])
    return int(told.pop()) if len(told) == 1 and not coded else None


def _is_of_another_page(scope: Scope) -> bool:
    """Whether a page of another origin asks, otherwise than by a link that leads here.

    Gradio would do what such a page posts, and hand its answers out to pages of other ports of this
    machine, and of any host once a server stands before the app. A browser says where a request
    comes from; by plain HTTP from another machine, it says its origin alone.
    """
    site = _header(scope, b"sec-fetch-site")
    if site:
        led = scope["method"] == "GET" and _header(scope, b"sec-fetch-mode") == "navigate"
        return site not in {"same-origin", "none"} and not led
    origin = _header(scope, b"origin")
    return bool(origin) and origin.partition("://")[2] != _header(scope, b"host")


def _is_upload(scope: Scope) -> bool:
    """Whether files come with it, which Gradio writes into the app's own folder as they come."""
    return bool(scope["method"] == "POST" and scope["path"] == "/gradio_api/upload")


async def _whole(receive: Receive) -> bytes | None:
    """The body of a request; None where it is too large, or the visitor has left."""
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += bytes(message.get("body", b""))
        if len(body) > LARGEST_BODY:
            return None
        if not message.get("more_body", False):
            return body


async def _refuse(scope: Scope, send: Send, *, status: int = 403) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    head = [(b"content-type", b"text/plain"), *HEADERS]
    await send({"type": "http.response.start", "status": status, "headers": head})
    said = {413: b"too large, or of a size that is not said", 503: b"too many uploads at once"}
    await send({"type": "http.response.body", "body": said.get(status, b"not served")})


def _with_headers(send: Send) -> Send:
    async def answer(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *HEADERS]
        await send(message)

    return answer
