import functools
import gc
import gzip
import hashlib
import http.server
import logging
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import imprint.data
from imprint.data import download as download_module
from imprint.data.download import download
from imprint.data.idx import IDX_FILES
from imprint.data.known import FASHION_MNIST, KNOWN, content_digest, read_known
from imprint.data.places import SYSTEM, cache_folder, places
from imprint.errors import DamagedFileError, MissingFileError, StorageError

from .conftest import given_data, small_set, write_idx_folder

# pooch does not close the response of a download that fails
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def copyfile(self, source, outputfile):
        if self.path.startswith("/cut"):
            outputfile.write(source.read(10))  # fewer bytes than the header promised
        else:
            super().copyfile(source, outputfile)


@pytest.fixture
def web(at_home):
    """Serve a folder on this machine: the folder and its address."""
    folder = at_home / "web"
    folder.mkdir()
    handler = functools.partial(_Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
    gc.collect()  # what pooch left open goes now, not in a later test


def small_known(raw: dict[str, bytes], url: str):
    """Fashion-MNIST's own reader, on other bytes."""
    digests = tuple(hashlib.sha256(raw[name]).hexdigest() for name in IDX_FILES)
    read = functools.partial(FASHION_MNIST.read.func, digests=digests, names=("x", "y", "z"))
    return replace(FASHION_MNIST, name="small", read=read, url=url)


def test_a_set_is_downloaded_once_and_then_found(web, capfd, caplog):
    folder, url = web
    known = small_known(write_idx_folder(folder / "small"), f"{url}/small")
    with caplog.at_level(logging.DEBUG, "imprint"):
        splits = read_known(known)
    assert (splits.name, splits.augmentations) == ("small", ("crop", "flip"))
    assert splits.train.class_names == ("x", "y", "z")
    assert sorted(p.name for p in cache_folder("small").iterdir()) == sorted(known.files)
    shutil.rmtree(folder)
    assert torch.equal(read_known(known).train.images, splits.train.images)
    assert capfd.readouterr() == ("", "")  # a library prints nothing


def test_a_wrong_download_leaves_nothing(web):
    folder, url = web
    raw = write_idx_folder(folder / "small")
    other = small_known({name: content + b"!" for name, content in raw.items()}, f"{url}/small")
    with pytest.raises(DamagedFileError, match="expected sha256"):
        read_known(other)
    assert not any(cache_folder("small").parent.iterdir())


@pytest.mark.parametrize("path", ["cut/small", "nowhere"])
def test_a_failed_download_leaves_nothing_and_lists_the_places(web, path, at_home, monkeypatch):
    folder, url = web
    raw = write_idx_folder(folder / "cut" / "small")
    monkeypatch.setenv("IMPRINT_DATA", str(at_home / "mine"))
    (at_home / "mine" / "small").mkdir(parents=True)
    write_idx_folder(at_home / "system" / "small")
    (at_home / "system" / "small" / f"{IDX_FILES[2]}.gz").unlink()
    with pytest.raises(MissingFileError) as caught:
        read_known(small_known(raw, f"{url}/{path}"))
    said = str(caught.value)
    assert f"IMPRINT_DATA ({at_home}/mine/small lacks train-images-idx3-ubyte.gz, train" in said
    assert f"({at_home}/system/small lacks t10k-images-idx3-ubyte.gz)" in said
    assert f"({at_home}/cache/imprint/small lacks everything)" in said
    assert f"could not be downloaded ({url}/{path}/train-images" in said
    assert "apt-get install dataset-fashion-mnist" in said
    assert not any(cache_folder("small").parent.iterdir())


def test_without_a_network_there_is_one_error(at_home):
    known = replace(FASHION_MNIST, url="http://127.0.0.1:9/closed")
    with pytest.raises(MissingFileError, match=r"IMPRINT_DATA \(not set\).*ConnectionError"):
        read_known(known)


def test_imprint_data_goes_before_the_system(at_home, monkeypatch):
    first = write_idx_folder(at_home / "mine" / "small", seed=1, packed=False)
    write_idx_folder(at_home / "system" / "small", seed=2)
    monkeypatch.setenv("IMPRINT_DATA", str(at_home / "mine"))
    splits = read_known(small_known(first, "http://127.0.0.1:9"))
    assert splits.train.class_names == ("x", "y", "z")
    monkeypatch.delenv("IMPRINT_DATA")
    with pytest.raises(DamagedFileError, match="system"):
        read_known(small_known(first, "http://127.0.0.1:9"))


def test_the_places_in_order(at_home, monkeypatch):
    monkeypatch.setenv("IMPRINT_DATA", "/mine")
    found = [str(place.folder) for place in places("s", embedded=Path("/package"))]
    assert found == ["/package", "/mine/s", f"{at_home}/system/s", f"{at_home}/cache/imprint/s"]


def test_a_cache_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="expected a folder that can be written"):
        download([], tmp_path / "file" / "set", check=lambda _: None)


def test_a_full_disk_is_told(web, monkeypatch):
    folder, url = web
    (folder / "a").write_bytes(b"a")

    def no_space(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pooch.HTTPDownloader.__call__", no_space)
    with pytest.raises(StorageError, match=r"a: expected to write a download.*No space left"):
        download([f"{url}/a"], folder / "set", check=lambda _: None)


def test_a_quicker_process_is_left_alone(tmp_path):
    def check(_):
        (tmp_path / "set").mkdir()
        (tmp_path / "set" / "theirs").touch()
        return 7

    assert download([], tmp_path / "set", check=check) == 7
    assert [str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")] == ["set", "set/theirs"]


def test_a_terminal_gets_a_bar(web, monkeypatch, capfd):
    folder, url = web
    (folder / "digits.gz").write_bytes(gzip.compress(bytes(300_000)) + bytes(200_000))
    monkeypatch.setattr(download_module.sys.stderr, "isatty", lambda: True)
    download([f"{url}/digits.gz"], folder / "set", check=lambda _: None)
    out, err = capfd.readouterr()
    assert out == ""
    assert "digits.gz" in err
    assert "200.3/200.3 kB" in err


def test_the_content_digest_sees_each_pixel_and_label_and_no_order():
    images, labels, *_ = vars(small_set()).values()
    digest = content_digest(images, labels)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(1))
    assert content_digest(images[order], labels[order]) == digest
    assert content_digest(images, labels.roll(1)) != digest
    images = images.clone()
    images[7, 0, 3, 3] ^= 1
    assert content_digest(images, labels) != digest


@pytest.mark.data
def test_fashion_mnist_of_debian(at_home, monkeypatch):
    monkeypatch.setattr("imprint.data.places.SYSTEM", SYSTEM)
    if not (SYSTEM / "fashion-mnist").is_dir():
        pytest.skip("Debian's dataset-fashion-mnist is not installed")
    splits = imprint.data.load("fashion-mnist")
    assert splits.train.images.shape == (60_000, 1, 28, 28)
    assert splits.train.class_names[splits.train.labels[0]] == "Ankle boot"
    mean, std = imprint.data.normalisation(splits.train.images)
    assert (round(mean[0], 4), round(std[0], 4)) == (0.286, 0.353)


@pytest.mark.data
def test_cifar10():
    given_data("cifar10")
    splits = imprint.data.load("cifar10")
    assert splits.train.images.shape == (50_000, 3, 32, 32)
    assert splits.train.labels.bincount().tolist() == [5000] * 10
    assert splits.test.labels.bincount().tolist() == [1000] * 10
    assert splits.train.class_names[:3] == ("airplane", "automobile", "bird")
    mean, std = imprint.data.normalisation(splits.train.images)
    assert [round(value, 4) for value in (*mean, *std)] == [
        *(0.4914, 0.4822, 0.4465),
        *(0.247, 0.2435, 0.2616),
    ]


@pytest.mark.data
def test_the_hashes_of_the_data_at_hand():
    folder = given_data("mnist")
    listed = (folder.parent / "SHA256").read_text().splitlines()
    for name in ("mnist", "fashion-mnist"):
        digests = KNOWN[name].read.keywords["digests"]
        for file, digest in zip(IDX_FILES, digests, strict=True):
            assert f"{digest}  {name}/{file}.gz (raw)" in listed
