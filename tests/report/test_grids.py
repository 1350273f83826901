"""Grids of maps, as pixels."""

import base64
import io

import numpy as np
import torch
from PIL import Image

from imprint.report import largest, map_grid, overlay, signed_colours, tile_grid


def pixels(grid):
    data = base64.b64decode(grid.source.removeprefix("data:image/png;base64,"))
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGBA")).astype(int)


def test_each_pixel_of_a_map_has_its_colour():
    maps = torch.zeros(2, 16, 16)
    maps[0, 2, 3], maps[1, 2, 3] = 1.0, -1.0
    shown = pixels(map_grid(maps, scale=1.0, note="two"))
    assert shown.shape == (16, 33, 4)
    assert tuple(shown[2, 3, :3]) == (255, 207, 156)
    assert tuple(shown[2, 17 + 3, :3]) == (181, 220, 255)
    assert tuple(shown[0, 0, :3]) == (20, 24, 29)
    assert {tuple(colour) for colour in shown[:, 16].tolist()} == {(128, 136, 144, 120)}


def test_what_no_tile_fills_is_free():
    shown = pixels(map_grid(torch.zeros(3, 16, 16), scale=1.0, note="three", columns=2))
    assert shown.shape == (33, 33, 4)
    assert shown[17:, 17:, 3].max() == 0
    assert shown[:16, :, 3].min() > 0


def test_what_is_no_number_stands_out():
    maps = torch.full((1, 16, 16), torch.nan)
    assert tuple(pixels(map_grid(maps, scale=1.0, note="nan"))[0, 0]) == (255, 0, 255, 255)


def test_small_maps_are_repeated_and_large_ones_averaged():
    assert pixels(map_grid(torch.zeros(1, 1, 1), scale=1.0, note="one")).shape[:2] == (12, 12)
    assert pixels(map_grid(torch.zeros(1, 100, 50), scale=1.0, note="", side=50)).shape[:2] == (
        50,
        25,
    )


def test_a_scale_leaves_out_half_a_percent():
    values = torch.ones(1000)
    values[0] = 1e6
    assert largest(values) == 1.0
    assert largest(torch.zeros(3)) == 1.0
    assert largest(torch.tensor([torch.nan, torch.inf, -2.0])) == 2.0


def test_brightness_rises_on_both_sides():
    line = torch.linspace(-1, 1, 101)[None]
    light = signed_colours(line, 1.0).float().mean(0)[0]
    assert bool((light[:50].diff() <= 0).all())
    assert bool((light[51:].diff() >= 0).all())


def test_tiles_of_any_sizes_stand_in_the_middle():
    tiles = [torch.full((3, 24, 24), 9).byte(), torch.full((1, 12, 24), 200).byte()]
    shown = pixels(tile_grid(tiles, note="two"))
    assert shown.shape == (24, 49, 4)
    assert shown[0, 30, 3] == 0
    assert tuple(shown[12, 30]) == (200, 200, 200, 255)


def test_heat_is_orange_above_zero_and_blue_below():
    shown = pixels(overlay(torch.zeros(1, 1, 2).byte(), torch.tensor([[1.0, -1.0]]), note=""))
    assert shown[0, 0, 0] > shown[0, 0, 2]
    assert shown[0, 1, 2] > shown[0, 1, 0]
