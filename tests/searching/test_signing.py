import torch
from torch import nn

from imprint.searching import Signer
from imprint.signatures import signature


def test_vectors_of_an_embedding_keep_their_signs():
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    plain = Signer(model, "1")
    model[1].signed = True
    assert Signer(model, "1").said["model"] != plain.said["model"]
    images = torch.randn(5, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    signatures = Signer(model, "1")(images)
    with torch.inference_mode():
        vectors = model(images)
    assert (vectors < 0).any()
    assert torch.equal(signatures[:, ::2], vectors)
    assert not signatures[:, 1::2].any()


def test_vectors_of_any_other_layer_are_magnitudes():
    model = nn.Sequential(nn.Flatten(), nn.Identity())
    images = torch.randn(5, 1, 2, 2)
    assert torch.equal(Signer(model, "1")(images), signature(images.flatten(1)))


def test_images_go_where_a_network_of_buffers_alone_is():
    class Shifted(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("shift", torch.ones(1, dtype=torch.float16))

        def forward(self, images):
            return images + self.shift

    model = nn.Sequential(Shifted())
    signer = Signer(model, "0")
    model.to("meta")
    maps = signer.maps(torch.zeros(2, 1, 4, 4, dtype=torch.uint8))
    assert (maps.device.type, maps.dtype) == ("meta", torch.float16)


def test_silence_is_similar_to_nothing_whatever_the_layer():
    images = torch.zeros(2, 2, 24, 8, dtype=torch.uint8)
    images[0, 0] = 7
    model = nn.Sequential(nn.Flatten(), nn.Linear(384, 3))
    signatures = Signer(model, "1")(images)
    assert signatures[0].any()
    assert not signatures[1].any()
