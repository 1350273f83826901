import torch
from torch import nn

from imprint.searching import Signer
from imprint.signatures import signature


def test_vectors_of_a_layer_keep_their_signs():
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    images = torch.randn(5, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    signatures = Signer(model, "1")(images)
    with torch.inference_mode():
        vectors = model(images)
    assert (vectors < 0).any()
    assert torch.equal(signatures[:, ::2], vectors)
    assert not signatures[:, 1::2].any()


def test_vectors_without_negative_numbers_are_as_their_signature():
    model = nn.Sequential(nn.Flatten(), nn.ReLU())
    images = torch.randn(5, 1, 2, 2)
    assert torch.equal(Signer(model, "1")(images), signature(images.flatten(1).relu()))


def test_silence_is_similar_to_nothing_whatever_the_layer():
    images = torch.zeros(2, 2, 24, 8, dtype=torch.uint8)
    images[0, 0] = 7
    model = nn.Sequential(nn.Flatten(), nn.Linear(384, 3))
    signatures = Signer(model, "1")(images)
    assert signatures[0].any()
    assert not signatures[1].any()
