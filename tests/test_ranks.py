"""What one process can show; `skipping/test_ranks.py` has two."""

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from imprint.errors import InvalidValueError, LayerError
from imprint.ranks import ALONE, Ranks, unwrap
from imprint.skipping import SkipGate


@pytest.fixture
def one_rank(tmp_path):
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/meeting", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def test_without_torch_distributed_there_is_one_rank(monkeypatch):
    for ranks in (ALONE, Ranks()):
        assert (ranks.size, ranks.rank) == (1, 0)
    monkeypatch.setattr(dist, "is_available", lambda: False)
    monkeypatch.delattr(dist, "is_initialized")
    assert Ranks().size == 1


def test_one_rank_is_given_back_what_it_gave(one_rank):
    tensors = torch.rand(3), torch.tensor(2)
    given_back = Ranks().sum(*tensors)
    assert all(one is other for one, other in zip(given_back, tensors, strict=True))
    assert Ranks().gather_rows(tensors[0], [3]) is tensors[0]


def test_rows_that_are_not_as_told_are_refused():
    for counts in ([2], [3, 3], []):
        with pytest.raises(InvalidValueError, match=r"rows: expected .* got 3 on rank 0 of 1"):
            Ranks().gather_rows(torch.rand(3), counts)


def test_a_wrapped_model_is_named_from_within_or_from_without(one_rank):
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    wrapped = DistributedDataParallel(model)
    for layer in ("1", "module.1"):
        assert unwrap(wrapped, layer) == (model, "1")
    assert unwrap(model, "1") == (model, "1")
    with pytest.raises(LayerError, match=r"such as 0, 1; got '2'"):
        SkipGate(wrapped, layer="module.2", num_classes=2)


def test_a_layer_that_is_itself_called_module_keeps_its_name(one_rank):
    model = nn.Sequential()
    model.module = nn.Sequential(nn.Linear(2, 2))
    wrapped = DistributedDataParallel(model)
    for layer in ("module.0", "module.module.0"):
        assert unwrap(wrapped, layer) == (model, "module.0")
