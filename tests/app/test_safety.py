"""The served app, asked by HTTP for what it must not give."""

import http.client
import json
import os
import signal
import subprocess
import sys
import urllib.parse
from pathlib import Path

import pytest

from .conftest import ended, started

BOUNDARY = "imprint"


def ask(server, path, *, method="GET", body=None, headers=None):
    """Status, headers and body; the path goes out as it is."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request(method, path, body=body, headers=headers or {})
    answer = connection.getresponse()
    told = answer.status, {name.lower(): v for name, v in answer.getheaders()}, answer.read()
    connection.close()
    return told


def post(server, path, value):
    kind = {"Content-Type": "application/json"}
    return ask(server, path, method="POST", body=json.dumps(value), headers=kind)


def upload(server, name, content):
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
    )
    body = head.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()
    kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    return ask(server, "/gradio_api/upload", method="POST", body=body, headers=kind)


@pytest.mark.parametrize("route", ["/gradio_api/file=", "/file=", "/gradio_api/file/"])
@pytest.mark.parametrize(
    "path",
    [
        *("/etc/passwd", "%2Fetc%2Fpasswd", "../../../../../../etc/passwd", "/proc/self/environ"),
        *("file:///etc/passwd", "http://127.0.0.1:1/", "{place}/outside.txt"),
        *("{place}/data/digits.npz", "{place}/served/first/config.json"),
        *("{place}/served/linked/result.json", "{place}/served/../outside.txt", "{source}"),
    ],
)
def test_no_file_is_handed_out_that_the_app_did_not_make(server, place, route, path):
    source = os.path.abspath(__file__)  # noqa: PTH100 - the app's own code, for one
    status, _, body = ask(server, route + path.format(place=place, source=source))
    assert status in {403, 404}
    assert b"root:" not in body
    assert b"not to be read" not in body


def test_what_was_dropped_is_handed_back_and_nothing_beside_it(server):
    status, _, body = upload(server, "a.txt", b"dropped")
    assert status == 200
    (path,) = json.loads(body)
    assert ask(server, f"/gradio_api/file={path}")[2] == b"dropped"
    for other in (f"{path}/../../../../etc/passwd", os.path.dirname(path), f"{path}\0"):  # noqa: PTH120
        assert ask(server, f"/gradio_api/file={urllib.parse.quote(other)}")[0] == 403


@pytest.mark.parametrize(
    "name", ["../../up.txt", "/etc/up.txt", "..\\up.txt", "слика 図.png", "a" * 300, ".hidden"]
)
def test_an_upload_stays_in_the_apps_own_folder_whatever_it_is_called(server, place, name):
    status, _, body = upload(server, name, b"dropped")
    if status == 200:
        (path,) = json.loads(body)
        assert "/imprint-app-" in path
        assert ".." not in Path(path).parts
    assert not list(place.rglob("up.txt"))


def test_an_upload_that_is_too_large_is_refused(server):
    assert upload(server, "large.wav", b"0" * 1_200_000)[0] == 413
    assert upload(server, "small.wav", b"0" * 900_000)[0] == 200


@pytest.mark.parametrize("route", ["run/predict", "queue/join"])
@pytest.mark.parametrize("path", ["/etc/passwd", "{place}/outside.txt", "http://127.0.0.1:1/a"])
def test_a_file_that_is_named_and_not_dropped_is_not_taken(server, place, route, path):
    """Gradio would copy it to where it is handed out, whatever field it is said to be in."""
    own = Path(json.loads(upload(server, "a.txt", b"dropped")[2])[0]).parents[1]
    named = {"path": path.format(place=place), "meta": {"_type": "gradio.FileData"}}
    for step in json.loads(ask(server, "/config")[2])["dependencies"]:
        sent = {
            "session_hash": "abc",
            "fn_index": step["id"],
            "data": [named] * len(step["inputs"]),
        }
        status, _, body = post(server, f"/gradio_api/{route}", sent)
        assert status == 403 if step["inputs"] else b"root:" not in body
    assert {file.name for file in own.rglob("*")} & {"passwd", "outside.txt", "a"} == set()


def test_gradio_itself_would_not_take_it_either(server, place):
    """Without the guard: a mounted page must say that it was launched."""
    program = (
        "from pathlib import Path; import json, sys, tempfile\n"
        "from imprint.app.extra import gradio\n"
        "cache = Path(tempfile.mkdtemp()); gradio(cache)\n"
        "from imprint.app.named_folders import NamedFolders\n"
        "from imprint.app.server import build_app\n"
        "from imprint.app.sources import sources_of\n"
        "from fastapi.testclient import TestClient\n"
        "app = build_app(sources_of(NamedFolders(Path(sys.argv[1])), None, cache),"
        " password=None, largest=1)\n"
        "named = {'path': sys.argv[2], 'meta': {'_type': 'gradio.FileData'}}\n"
        "with TestClient(app) as client:\n"
        "    for step in client.get('/config').json()['dependencies']:\n"
        "        data = [named] * len(step['inputs'])\n"
        "        sent = {'fn_index': step['id'], 'data': data, 'session_hash': 'a'}\n"
        "        client.post('/gradio_api/run/predict', json=sent)\n"
        "print(json.dumps([path.name for path in cache.rglob('*')]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, place / "runs", place / "outside.txt"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert "outside.txt" not in json.loads(done.stdout.splitlines()[-1])


def test_no_two_steps_of_the_page_run_networks_at_once(place):
    """What watches the layers of one visitor's image would see another's pass through."""
    program = (
        "from pathlib import Path; import json, sys, tempfile\n"
        "from imprint.app.extra import gradio\n"
        "cache = Path(tempfile.mkdtemp()); gradio(cache)\n"
        "from imprint.app.named_folders import NamedFolders\n"
        "from imprint.app.page import build_page\n"
        "from imprint.app.sources import sources_of\n"
        "page = build_page(sources_of(NamedFolders(Path(sys.argv[1])), None, cache))\n"
        "steps = [(step.fn.__module__, step.concurrency_id) for step in page.fns.values()]\n"
        "print(json.dumps([how for tab, how in steps if tab.endswith(('see_tab', 'fool_tab'))]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, place / "runs"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    groups = json.loads(done.stdout.splitlines()[-1])
    assert len(groups) > 20
    assert set(groups) == {"networks"}


def test_nothing_is_named_for_programs(server):
    config = json.loads(ask(server, "/config")[2])
    told = json.loads(ask(server, "/gradio_api/info")[2])
    assert config["dependencies"]
    assert told == {"named_endpoints": {}, "unnamed_endpoints": {}}
    assert config["analytics_enabled"] is False


def test_a_page_elsewhere_cannot_speak_through_a_name_of_its_own(server):
    assert ask(server, "/", headers={"Host": "evil.invalid"})[0] == 403
    assert ask(server, "/", headers={"Host": f"localhost:{server.port}"})[0] == 200


def test_a_page_of_another_port_neither_reads_nor_posts(server):
    """A browser says where a request comes from; Gradio would answer pages of all ports alike."""
    foreign = {"Origin": "http://127.0.0.1:1", "Sec-Fetch-Site": "same-site"}
    assert ask(server, "/config", headers=foreign)[0] == 403
    kind = {"Content-Type": "multipart/form-data; boundary=a"}
    posted = ask(server, "/gradio_api/upload", method="POST", body="", headers=foreign | kind)
    assert posted[0] == 403


def test_nothing_stays_where_the_process_is_told_to_end(place, tmp_path):
    pytest.importorskip("gradio")
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    log = place / "ended.log"
    server = started("--runs", place / "runs", environment=environment, log=log)
    upload(server, "a.txt", b"dropped")
    assert list(tmp_path.glob("imprint-app-*/*/a.txt"))
    server.process.terminate()
    server.process.communicate(timeout=30)
    assert server.process.returncode == 128 + signal.SIGTERM
    assert list(tmp_path.glob("imprint-app-*")) == []
    assert "Traceback" not in log.read_text()


def test_each_answer_tells_the_browser_to_stay_at_home(server):
    for path in ("/", "/config", "/theme.css", "/gradio_api/file=/etc/passwd"):
        headers = ask(server, path)[1]
        assert headers["content-security-policy"].startswith("default-src 'self'")
        assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/monitoring", "/gradio_api/runs"])
def test_what_it_has_no_use_for_is_closed(server, path):
    assert ask(server, path)[0] in {403, 404}


def test_no_code_of_a_run_that_merely_lies_there_has_run(server):
    assert not server.marker.exists()


@pytest.fixture(scope="module")
def locked(place):
    pytest.importorskip("gradio")
    environment = os.environ | {"IMPRINT_PASSWORD": "open sesame"}
    log = place / "locked.log"
    server = started(
        "--runs", place / "runs", "--host", "0.0.0.0", environment=environment, log=log
    )
    yield server
    ended(server)
    assert "Traceback" not in log.read_text()


def login(server, password):
    body = urllib.parse.urlencode({"username": "anyone", "password": password})
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    return ask(server, "/login", method="POST", body=body, headers=kind)


@pytest.mark.parametrize(
    "path",
    ["/config", "/gradio_api/info", "/gradio_api/file=/etc/passwd"],
)
def test_without_the_password_nothing_is_told(locked, path):
    assert ask(locked, path)[0] in {401, 403}


def test_without_the_password_nothing_is_taken(locked):
    assert upload(locked, "a.txt", b"dropped")[0] in {401, 403}
    page = ask(locked, "/")[2]
    assert b"Training run" not in page


def test_the_right_password_lets_in(locked):
    assert login(locked, "wrong word")[0] == 400
    status, headers, _ = login(locked, "open sesame")
    assert status == 200
    cookie = headers["set-cookie"].partition(";")[0]
    assert "httponly" in headers["set-cookie"].lower()
    assert ask(locked, "/config", headers={"Cookie": cookie})[0] == 200
    assert ask(locked, "/gradio_api/file=/etc/passwd", headers={"Cookie": cookie})[0] == 403


def test_the_password_stands_on_no_command_line(locked):
    with open(f"/proc/{locked.process.pid}/cmdline", "rb") as file:  # noqa: PTH123
        assert b"sesame" not in file.read()
