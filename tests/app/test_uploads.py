import asyncio
import os

import pytest

from imprint.app.guard import LARGEST_BODY, UPLOADS_KEPT, Guard
from imprint.app.uploads import limited, make_room


def dropped(folder, name, size, age):
    """A file of some age in seconds, in a folder of its own, as Gradio keeps it."""
    path = folder / name / f"{name}.png"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"0" * size)
    os.utime(path, (1e9 - age, 1e9 - age))
    return path


@pytest.mark.parametrize(
    ("most", "kept"), [(100, "abc"), (69, "bc"), (60, "bc"), (59, "c"), (9, "")]
)
def test_the_oldest_files_make_way(tmp_path, most, kept):
    sizes = {"a": (10, 30), "b": (50, 20), "c": (10, 10)}
    files = {name: dropped(tmp_path, name, *told) for name, told in sizes.items()}
    make_room(tmp_path, most)
    assert [name for name, path in files.items() if path.exists()] == list(kept)


def test_nothing_outside_goes_through_a_link(tmp_path):
    kept = dropped(tmp_path / "outside", "own", 100, 5)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "link").symlink_to(kept)
    (tmp_path / "cache" / "folder").symlink_to(kept.parent)
    make_room(tmp_path / "cache", 10)
    assert kept.is_file()


def test_there_may_be_no_folder_yet(tmp_path):
    make_room(tmp_path / "none", 10)


def messages(*sizes):
    parts = [{"type": "http.request", "body": b"0" * size, "more_body": True} for size in sizes]

    async def receive():
        return parts.pop(0)

    return receive


def test_a_request_that_grows_too_large_is_broken_off():
    receive = limited(messages(4, 6, 1), 10)
    kinds = [asyncio.run(receive())["type"] for _ in range(3)]
    assert kinds == ["http.request", "http.request", "http.disconnect"]


def test_before_each_upload_there_is_room_for_one_more(tmp_path):
    largest = 100
    ages = range(2 * UPLOADS_KEPT)
    files = [dropped(tmp_path, str(age), largest, age) for age in ages]
    sizes = []

    async def app(_scope, receive, send):
        while (message := await receive())["type"] == "http.request":
            sizes.append(len(message["body"]))
        await send({"type": "http.response.start", "status": 400, "headers": []})

    async def send(_message):
        pass

    scope = {"type": "http", "path": "/gradio_api/upload", "method": "POST", "headers": []}
    body = [LARGEST_BODY, largest, 1]
    asyncio.run(Guard(app, cache=tmp_path, largest=largest)(scope, messages(*body), send))
    assert [path.exists() for path in files] == [age < UPLOADS_KEPT - 1 for age in ages]
    assert sizes == body[:2]
