import torch

from imprint.early_exit.routes import Outcomes


def drawn(seed=0, layers=3, samples=400):
    """Margins that mean something: the higher, the more often right."""
    generator = torch.Generator().manual_seed(seed)
    margins = torch.rand(layers, samples, generator=generator) * 5
    right = torch.rand(layers, samples, generator=generator) < margins.sigmoid()
    full = torch.rand(samples, generator=generator) < 0.9
    return Outcomes(margins, right, full)
