"""A small network, pictures of two classes, and a place for an index: here and in an object store.

The object store is moto's, in this process; its tests are those of the folder.
"""

import importlib.util
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from imprint.searching import Gallery

BUCKET = "albums"


def network(seed=0, channels=1):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Conv2d(channels, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(216, 2))


def drawn(count, seed=0):
    """Signatures `(N, 12)`, as of 6 channels."""
    return torch.rand(count, 12, generator=torch.Generator().manual_seed(seed))


def names(count, start=0):
    return [f"{number:05}" for number in range(start, start + count)]


def write_pictures(folder, count, seed=0):
    """Pictures 8 by 8 of two classes: stripes that lie and stripes that stand."""
    draw = np.random.default_rng(seed)
    for number in range(count):
        pixels = draw.integers(0, 60, (8, 8))
        pixels[slice(None) if number % 2 else slice(None, None, 2)] += 90
        pixels[:, :: 2 if number % 2 else 1] += 90
        path = folder / ("lying", "standing")[number % 2] / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(path)
    return folder


@pytest.fixture
def pictures(tmp_path):
    return write_pictures(tmp_path / "pictures", 24)


@pytest.fixture(scope="session")
def server():
    """An S3 server on this machine; gives what LanceDB is to be told of it."""
    if importlib.util.find_spec("moto") is None:
        pytest.skip("moto is not installed")
    import boto3
    from moto.server import ThreadedMotoServer

    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}
    address = f"http://{host}:{port}"
    client = boto3.client("s3", endpoint_url=address, region_name="us-east-1", **keys)
    client.create_bucket(Bucket=BUCKET)
    client.close()
    yield {**keys, "endpoint": address, "region": "us-east-1", "allow_http": "true"}
    running.stop()


@pytest.fixture(params=["folder", "s3"])
def opened(request, tmp_path):
    """Open the same gallery again and again: `opened(model=…, layer=…)`."""
    if request.param == "folder":
        return partial(Gallery, tmp_path / "index.lance")
    options = request.getfixturevalue("server")
    uri = f"s3://{BUCKET}/{tmp_path.name}.lance"
    return partial(Gallery, uri, storage_options=options)


@pytest.fixture
def here(tmp_path):
    """Likewise, in a folder only."""
    return partial(Gallery, tmp_path / "index.lance")
