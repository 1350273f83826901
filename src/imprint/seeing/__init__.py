"""See a network: its maps, what its channels answer to, what it looks at, and how well it is."""

from imprint.seeing.deconvnet import deconvolve, projectable
from imprint.seeing.grad_cam import GradCam, grad_cam
from imprint.seeing.health import LayerHealth, advice, layer_health
from imprint.seeing.landmarks import landmarks
from imprint.seeing.layers import LayerMaps, layer_maps
from imprint.seeing.occlusion import occlusion
from imprint.seeing.patch_projections import PatchPair, project_patches
from imprint.seeing.receptive_field import receptive_fields
from imprint.seeing.settling import Settling, settled_from, settling
from imprint.seeing.top_patches import ChannelPatches, TopPatches, merge, top_patches

__all__ = [
    "ChannelPatches",
    "GradCam",
    "LayerHealth",
    "LayerMaps",
    "PatchPair",
    "Settling",
    "TopPatches",
    "advice",
    "deconvolve",
    "grad_cam",
    "landmarks",
    "layer_health",
    "layer_maps",
    "merge",
    "occlusion",
    "project_patches",
    "projectable",
    "receptive_fields",
    "settled_from",
    "settling",
    "top_patches",
]
