"""Where the app listens, who is let in, and which files are handed out."""

import asyncio
import socket

import pytest

from imprint.app.addresses import Address, is_loopback, listening_socket
from imprint.app.guard import Guard
from imprint.app.named_files import may_name, may_serve
from imprint.app.password import matches, read_password
from imprint.errors import InvalidValueError, MissingFileError

from .conftest import finished


@pytest.mark.parametrize(
    ("host", "own"),
    [
        *(("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True)),
        *(("0.0.0.0", False), ("::", False), ("192.0.2.1", False), ("", False)),
        ("no.such.host.invalid", False),
    ],
)
def test_loopback_is_this_machine_alone(host, own):
    assert is_loopback(host) is own


@pytest.mark.parametrize("password", [None, ""])
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_others_reach_it_with_a_password_only(host, password):
    with pytest.raises(InvalidValueError, match="a password for"):
        listening_socket(Address(host, 0), password=password)


def test_with_a_password_it_listens_where_it_is_told():
    with listening_socket(Address("0.0.0.0", 0), password="open sesame") as bound:
        assert bound.getsockname()[0] == "0.0.0.0"


def test_a_port_that_is_taken_is_told_so():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InvalidValueError, match=f"127.0.0.1:{port}.*--port 0"):
            listening_socket(Address("127.0.0.1", port), password=None)


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_that_there_is_not_is_refused(port):
    with pytest.raises(InvalidValueError, match="0 … 65535"):
        listening_socket(Address("127.0.0.1", port), password=None)


def test_a_password_comes_from_a_files_first_line_or_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("IMPRINT_PASSWORD", "from outside")
    (tmp_path / "word").write_text("open sesame\nmore\n")
    assert read_password(tmp_path / "word") == "open sesame"
    assert read_password(None) == "from outside"
    monkeypatch.delenv("IMPRINT_PASSWORD")
    assert read_password(None) is None


def test_a_mark_that_an_editor_puts_before_a_text_is_no_part_of_the_password(tmp_path):
    (tmp_path / "word").write_text("open sesame\n", encoding="utf-8-sig")
    assert read_password(tmp_path / "word") == "open sesame"


@pytest.mark.parametrize("text", [b"", b"short\n", b"\xff\xfe open sesame"])
def test_a_password_that_will_not_do_is_refused(tmp_path, text):
    (tmp_path / "word").write_bytes(text)
    with pytest.raises(InvalidValueError, match="expected"):
        read_password(tmp_path / "word")


def test_a_password_file_must_be_there(tmp_path):
    with pytest.raises(MissingFileError):
        read_password(tmp_path / "word")


def test_only_the_right_password_lets_in(monkeypatch):
    monkeypatch.setattr("imprint.app.password.PAUSE", 0)

    async def told(password):
        return await matches("öffne dich")("anyone", password)

    assert finished(told("öffne dich"))
    for wrong in ("", "offne dich", "öffne dich ", "\ud800"):
        assert not finished(told(wrong))


def test_guesses_wait_for_one_another_and_nobody_else_does(monkeypatch):
    monkeypatch.setattr("imprint.app.password.PAUSE", 0.05)

    async def guess():
        check, begun = matches("open sesame"), asyncio.get_running_loop().time()
        guesses = [asyncio.create_task(check("anyone", "wrong word")) for _ in range(4)]
        await asyncio.sleep(0)  # whoever is in goes on meanwhile
        pending = not any(guess.done() for guess in guesses)
        await asyncio.gather(*guesses)
        return pending, asyncio.get_running_loop().time() - begun

    pending, whole = finished(guess())
    assert pending
    assert whole >= 0.2


@pytest.fixture
def cache(tmp_path):
    (tmp_path / "cache" / "in").mkdir(parents=True)
    (tmp_path / "cache" / "in" / "own.wav").write_text("own")
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "cache" / "link").symlink_to(tmp_path / "secret")
    return tmp_path / "cache"


def test_own_files_are_handed_out_and_no_others(cache):
    assert may_serve(str(cache / "in" / "own.wav"), cache)
    for path in (
        *("/etc/passwd", "etc/passwd", "", "\0", "http://example.invalid/a", "file:///etc/passwd"),
        *(f"{cache}/../secret", f"{cache}/in/../in/own.wav", f"{cache}/link", str(cache.parent)),
    ):
        assert not may_serve(path, cache)


@pytest.mark.parametrize(
    ("body", "fits"),
    [
        *(('{"data": ["first", 0.1, null]}', True), ("null", True), ("", True)),
        ('{"data": [{"path": "@/in/own.wav", "url": null}]}', True),
        (
            '{"data": [{"path": "@/in/own.wav", "url": "http://h/gradio_api/file=@/in/own.wav"}]}',
            True,
        ),
        *(
            ('{"data": [{"path": "/etc/passwd"}]}', False),
            ('{"data": [{"path": "@/link"}]}', False),
        ),
        *(('{"data": [[{"a": {"path": "@/../secret"}}]]}', False), ('{"path": 3}', False)),
        *(
            ('{"path": "http://example.invalid/a"}', False),
            ('{"url": "http://example.invalid/"}', False),
        ),
        ('{"url": "http://h/gradio_api/file=/etc/passwd"}', False),
        ('{"url": "http://[/gradio_api/file="}', False),
        *(('{"path": "/\\ud800"}', False), ('{"path": "@/\\u0000"}', False)),
        *(("{", False), ("[" * 100 + "]" * 100, False), ("[" * 100_000, False)),
    ],
)
def test_a_request_names_own_files_and_no_others(cache, body, fits):
    assert may_name(body.replace("@", str(cache)).encode(), cache) is fits


def ask(guard, path, host="127.0.0.1:7860", kind="http", method="GET", body=(), headers=None):
    """The status that a request gets; 200 where it is let through."""
    sent = []
    parts = [{"type": "http.request", "body": part, "more_body": True} for part in body]
    parts.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive():
        return parts.pop(0)

    async def send(message):
        sent.append(message)

    head = [(b"host", host.encode())]
    head += [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    head.append((b"content-length", str(sum(map(len, body))).encode()))
    scope = {"type": kind, "path": path, "headers": head, "method": method}
    finished(guard(scope, receive, send))
    return sent[0]


@pytest.fixture
def guard(cache):
    async def app(scope, receive, send):
        body = b"" if scope["method"] == "GET" else (await receive())["body"]
        await send({"type": "http.response.start", "status": 200, "headers": [], "got": body})

    return Guard(
        app, cache=cache, largest=1000, hosts=frozenset({"127.0.0.1", "localhost", "[::1]"})
    )


@pytest.mark.parametrize(
    ("path", "status"),
    [
        *(("/", 200), ("/config", 200), ("/gradio_api/file={cache}/in/own.wav", 200)),
        *(("/gradio_api/file=/etc/passwd", 403), ("/file=/etc/passwd", 403)),
        *(("/gradio_api/file={cache}/../secret", 403), ("/gradio_api/file={cache}/link", 403)),
        *(("/gradio_api/file=%2Fetc%2Fpasswd", 403), ("//gradio_api/file={cache}/in/own.wav", 403)),
        *(("/gradio_api/file=http://127.0.0.1/", 403), ("/gradio_api/proxy=http://a/", 403)),
        *(("/docs", 403), ("/gradio_api/runs", 403), ("//gradio_api/proxy=http://a/", 403)),
        *(("/gradio_api/deep_link", 403), ("/gradio_api/vibe-code", 403)),
        ("/gradio_api/file={cache}/docs.png", 200),
        ("/gradio_api/file={cache}/proxy=file=1.png", 200),
    ],
)
def test_a_request_is_let_through_or_refused(guard, cache, path, status):
    answer = ask(guard, path.format(cache=cache))
    assert answer["status"] == status
    names = {name for name, _ in answer["headers"]}
    assert {b"content-security-policy", b"x-content-type-options"} <= names


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost:80", 200), ("[::1]:7860", 200), ("127.0.0.1", 200), ("evil.invalid:7860", 403), ("", 403)],  # noqa: E501
)  # fmt: skip
def test_a_name_that_leads_here_from_elsewhere_is_refused(guard, host, status):
    assert ask(guard, "/", host)["status"] == status


def test_there_are_no_web_sockets(guard):
    assert ask(guard, "/", kind="websocket") == {"type": "websocket.close", "code": 1008}


SITE, MODE = "sec-fetch-site", "sec-fetch-mode"


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        *(("POST", {SITE: "same-origin"}, 200), ("GET", {SITE: "none", MODE: "navigate"}, 200)),
        *(("GET", {SITE: "cross-site", MODE: "navigate"}, 200), ("POST", {}, 200)),
        *(
            ("POST", {SITE: "cross-site", MODE: "navigate"}, 403),
            ("POST", {SITE: "same-site"}, 403),
        ),
        *(("GET", {SITE: "same-site", MODE: "cors"}, 403), ("GET", {SITE: "cross-site"}, 403)),
        *(("POST", {"origin": "http://127.0.0.1:7860"}, 200), ("POST", {"origin": "null"}, 403)),
        *(
            ("POST", {"origin": "http://127.0.0.1:3000"}, 403),
            ("GET", {"origin": "http://evil.invalid"}, 403),
        ),
        ("POST", {SITE: "same-origin", "origin": "https://before.invalid"}, 200),
    ],
)
def test_a_page_of_another_origin_may_lead_here_and_nothing_else(guard, method, headers, status):
    for path in ("/gradio_api/upload", "/gradio_api/queue/join"):
        assert ask(guard, path, method=method, headers=headers)["status"] == status


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/gradio_api/queue/join", [b'{"data": ', b"[3]}"], 200),
        ("/gradio_api/queue/join", [b'{"path": ', b'"/etc/passwd"}'], 403),
        ("/gradio_api/run/predict", [b'{"path": "http://example.invalid/"}'], 403),
        ("/gradio_api/queue/join", [b" " * 600_000] * 2, 403),
        ("/login", [b"username=a&password=b"], 200),
        ("/gradio_api/upload", [b"anything"], 200),
    ],
)
def test_a_request_with_a_body_is_looked_at_whole(guard, path, body, status):
    answer = ask(guard, path, method="POST", body=body)
    assert answer["status"] == status
    if status == 200 and "upload" not in path:
        assert answer["got"] == b"".join(body)
