import os

from imprint.searching.files import hash_file
from imprint.searching.vanished import vanished


def test_excerpts_that_a_changed_file_has_no_more_are_stale(tmp_path):
    one, two = tmp_path / "one.wav", tmp_path / "two.wav"
    one.write_bytes(b"longer than it was")
    two.write_bytes(b"unchanged")
    (tmp_path / os.fsdecode(b"caf\xe9.wav")).write_bytes(b"a name that is not UTF-8")
    new = hash_file(one)
    rows = [
        ("one.wav#0", str(one), new),
        ("one.wav#1", str(one), "old"),
        ("two.wav#0", str(two), "whatever it was, all agree"),
        ("two.wav#1", str(two), "whatever it was, all agree"),
        ("gone.wav", str(tmp_path / "gone.wav"), "x"),
        ("test/3", "cifar10/test", "y"),
        ("by hand", "", ""),
        ("caf\\xe9.wav", f"{tmp_path}/caf\\xe9.wav", "z"),
    ]
    assert vanished(rows) == ["one.wav#1", "gone.wav"]
    assert vanished([]) == []
