"""What goes wrong in the database is told in words of ours."""

import sys

import pytest

from imprint.errors import DamagedFileError, InvalidValueError, MissingExtraError, StorageError
from imprint.searching import Gallery
from imprint.searching.storage import told

from .conftest import BUCKET, drawn


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (RuntimeError("x: No space left on device (os error 28), /a/b.rs:1:2"), StorageError,
         "albums: expected to be able to write here, No space left on device"),
        (PermissionError(13, "Permission denied"), StorageError, "write here, Permission denied"),
        (RuntimeError("lance error: LanceError(IO): broken, /a/b.rs:1:2"), DamagedFileError,
         "albums: expected an index that can be read, got broken"),
        (RuntimeError("lance error: Retryable commit conflict for version 3"), StorageError,
         "albums: expected no other process to write here, Retryable commit conflict"),
        (UnicodeEncodeError("utf-8", "x" * 999 + "\udce9", 999, 1000, "no"), InvalidValueError,
         r"^albums: expected texts in UTF-8, got 'x{20}\\udce9'$"),
        (InvalidValueError("as it is"), InvalidValueError, "^as it is$"),
    ],
)  # fmt: skip
def test_errors_are_translated(error, kind, message):
    with pytest.raises(kind, match=message), told("albums"):
        raise error


def test_two_that_make_an_index_at_once_are_told(here):
    one, other = here(), here()
    one.add_signatures(drawn(1), ["a"])
    with pytest.raises(StorageError, match="expected no other process to write here"):
        other.add_signatures(drawn(1), ["b"])


def test_an_object_store_that_refuses_is_told(server):
    with pytest.raises(StorageError, match="s3://nowhere/x: expected an object store that answers"):
        Gallery("s3://nowhere/x", storage_options=server).add_signatures(drawn(1), ["a"])
    assert len(Gallery(f"s3://{BUCKET}/nothing", storage_options=server)) == 0


def test_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "lancedb", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'imprint\[search\]'$"):
        Gallery(tmp_path / "x").add_signatures(drawn(1), ["a"])
