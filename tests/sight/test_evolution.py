"""Maps over epochs, set side by side."""

import pytest
import torch

from imprint.errors import DamagedFileError
from imprint.sight.evolution import evolution_of
from imprint.training import KeptMaps


def kept(epoch, signature, layer="conv"):
    maps = {layer: torch.full((2, 3, 4, 4), float(epoch))}
    signatures = {layer: torch.tensor([signature, signature])}
    return KeptMaps(epoch, torch.tensor([5, 7]), maps, signatures)


def test_a_layer_settles_where_its_signatures_stay():
    rows = [kept(1, [1.0, 0.0]), kept(2, [0.0, 1.0]), kept(3, [0.0, 2.0])]
    (layer,) = evolution_of(rows)
    assert layer.epochs == (1, 2, 3)
    assert layer.image == 5
    assert layer.to_next == (0.0, 1.0)
    assert layer.settled == 2
    assert layer.maps[:, 0, 0, 0].tolist() == [1.0, 2.0, 3.0]


def test_one_epoch_is_no_evolution():
    assert evolution_of([kept(1, [1.0])]) == ()


def test_epochs_of_other_layers_are_refused():
    with pytest.raises(DamagedFileError, match="same layers and images"):
        evolution_of([kept(1, [1.0]), kept(2, [1.0], "other")])
