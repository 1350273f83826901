import asyncio
import os

import pytest

from imprint.app.guard import KEPT, LARGEST_BODY, Guard
from imprint.app.uploads import MOST_FILES, make_room

from .conftest import finished


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
def test_the_oldest_files_make_way_with_their_folders(tmp_path, most, kept):
    sizes = {"a": (10, 30), "b": (50, 20), "c": (10, 10)}
    files = {name: dropped(tmp_path, name, *told) for name, told in sizes.items()}
    make_room(tmp_path, most)
    assert [name for name, path in files.items() if path.exists()] == list(kept)
    assert sorted(path.name for path in tmp_path.iterdir()) == list(kept)


def test_small_files_are_counted_too(tmp_path):
    for age in range(MOST_FILES + 3):
        path = tmp_path / f"{age}.png"
        path.write_bytes(b"")
        os.utime(path, (1e9 - age, 1e9 - age))
    make_room(tmp_path, 100)
    assert {int(path.stem) for path in tmp_path.iterdir()} == set(range(MOST_FILES))


def test_nothing_outside_goes_through_a_link(tmp_path):
    kept = dropped(tmp_path / "outside", "own", 100, 5)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "link").symlink_to(kept)
    (tmp_path / "cache" / "folder").symlink_to(kept.parent)
    make_room(tmp_path / "cache", 10)
    assert kept.is_file()


def test_there_may_be_no_folder_yet(tmp_path):
    make_room(tmp_path / "none", 10)
    assert not (tmp_path / "none").exists()


LARGEST = 100


class Uploads:
    """An app that takes uploads when it is told to, behind a guard."""

    def __init__(self, cache):
        self.cache, self.done, self.taken = cache, asyncio.Event(), 0
        self.guard = Guard(self, cache=cache, largest=LARGEST)

    async def __call__(self, scope, receive, send):
        self.taken += 1
        number = self.taken
        await self.done.wait()
        dropped(self.cache, f"own {number}", LARGEST, -number)
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def ask(self, *headers):
        """The status of an upload of which only the headers are here yet."""
        sent = []

        async def send(message):
            sent.append(message)

        path = {"path": "/gradio_api/upload", "method": "POST"}
        scope = {"type": "http", "headers": [*headers], **path}
        await self.guard(scope, None, send)
        return sent[0]["status"]


def length(size):
    return b"content-length", str(size).encode()


def test_after_an_upload_the_oldest_make_way(tmp_path):
    files = [dropped(tmp_path, str(age), LARGEST, age) for age in range(2 * KEPT)]
    app = Uploads(tmp_path)
    app.done.set()
    assert finished(app.ask(length(LARGEST))) == 200
    assert [path.exists() for path in files] == [age < KEPT - 1 for age in range(2 * KEPT)]
    assert (tmp_path / "own 1").is_dir()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([length(LARGEST + LARGEST_BODY)], 200),
        ([length(LARGEST + LARGEST_BODY + 1)], 413),
        ([], 413),
        ([length(1), length(2)], 413),
        ([length(1), (b"transfer-encoding", b"chunked")], 413),
    ],
)
def test_an_upload_says_its_size_and_is_not_too_large(tmp_path, headers, status):
    app = Uploads(tmp_path)
    app.done.set()
    assert finished(app.ask(*headers)) == status
    assert app.taken == (status == 200)


def test_of_many_at_once_only_some_are_taken(tmp_path):
    async def many():
        app = Uploads(tmp_path)
        asked = [asyncio.create_task(app.ask(length(LARGEST))) for _ in range(2 * KEPT)]
        await asyncio.wait(asked[KEPT:])
        app.done.set()
        first = await asyncio.gather(*asked)
        return first, await app.ask(length(LARGEST))

    first, later = finished(many())
    assert sorted(first) == [200] * KEPT + [503] * KEPT
    assert later == 200
    assert sum(path.is_file() for path in tmp_path.rglob("*.png")) == KEPT
