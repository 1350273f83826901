import pytest
import torch

from imprint.errors import LayerError
from imprint.outputs import first_tensor, map_tensors, select_rows


def test_selects_rows_within_structures():
    kept = torch.tensor([2, 0])
    rows = torch.arange(3)
    result = select_rows({"a": rows, "b": [rows, torch.tensor(1), "text", None]}, kept, 3)
    assert result["a"].tolist() == [2, 0] == result["b"][0].tolist()
    assert result["b"][1:] == [torch.tensor(1), "text", None]


def test_keeps_the_type_of_structures():
    found = torch.max(torch.eye(2), dim=1)  # a named tuple of torch's
    assert type(map_tensors(found, torch.neg)) is type(found)
    with pytest.raises(LayerError, match="expected a tensor as output, got str"):
        first_tensor("text", "layer1")
