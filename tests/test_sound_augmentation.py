import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from imprint.errors import InvalidValueError
from imprint.sound_augmentation import crop_frames, mask_spans, roll_time, shift_level


def drawn(seed=0):
    return torch.Generator().manual_seed(seed)


def numbered(number=5, frames=30):
    """Images whose value at each frame is the frame's number."""
    return torch.arange(frames).float().expand(number, 2, 24, frames).contiguous()


def test_a_crop_is_a_stretch_of_the_sound_from_a_place_of_its_own():
    cut = crop_frames(numbered(200), 10, generator=drawn())
    assert cut.shape == (200, 2, 24, 10)
    assert (cut.diff(dim=3) == 1).all()
    assert set(cut[:, 0, 0, 0].tolist()) == set(range(21))
    assert torch.equal(crop_frames(numbered(), 30, generator=drawn()), numbered())


def test_a_level_moves_log_mel_alone_and_stays_in_range():
    images = torch.rand(50, 2, 24, 8, generator=drawn(1))
    shifted = shift_level(images, 8.0, generator=drawn())
    assert torch.equal(shifted[:, 1], images[:, 1])
    assert shifted.min() >= 0
    assert shifted.max() <= 1
    for before, after in zip(images[:, 0], shifted[:, 0], strict=True):
        moved = (after - before)[(before > 0.11) & (before < 0.89)]  # where nothing is cut
        assert moved.abs().max() <= 0.1 + 1e-6
        assert moved.max() - moved.min() < 1e-5


def test_bytes_are_shifted_as_floats_are():
    images = torch.randint(256, (50, 2, 24, 8), generator=drawn(1), dtype=torch.uint8)
    shifted = shift_level(images, 8.0, generator=drawn())
    exact = shift_level(images / 255, 8.0, generator=drawn()) * 255
    assert shifted.dtype == torch.uint8
    assert (shifted - exact).abs().max() <= 0.501
    assert not torch.equal(shifted, images)


def test_what_was_rolled_out_follows_at_the_end():
    images = numbered(200)
    rolled = roll_time(images, generator=drawn())
    first = rolled[:, 0, 0, 0].long().tolist()
    assert set(first) == set(range(30))
    for image, before, start in zip(rolled, images, first, strict=True):
        assert torch.equal(image, before.roll(-start, dims=2))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 24), st.integers(0, 30), st.integers(0, 1000))
def test_a_mask_is_one_span_of_bands_and_one_of_frames(bands, frames, seed):
    masked = mask_spans(torch.ones(4, 2, 24, 30), bands=bands, frames=frames, generator=drawn(seed))
    for image in masked[:, 0]:
        for blank, widest in ((image.amax(1) == 0, bands), (image.amax(0) == 0, frames)):
            places = blank.nonzero()[:, 0]
            assert len(places) <= widest or image.max() == 0
            assert not len(places) or len(places) == int(places[-1] - places[0]) + 1


def test_widths_up_to_the_widest_are_drawn():
    masked = mask_spans(torch.ones(300, 1, 24, 30), bands=4, frames=0, generator=drawn())
    widths = (masked[:, 0, :, 0] == 0).sum(1)
    assert set(widths.tolist()) == {0, 1, 2, 3, 4}


def test_the_same_draws_give_the_same_and_the_global_state_is_left():
    state, images = torch.get_rng_state(), torch.rand(3, 2, 24, 30)
    state = torch.get_rng_state()
    once, again = (mask_spans(images, bands=5, frames=5, generator=drawn(3)) for _ in range(2))
    assert torch.equal(once, again)
    assert torch.equal(torch.get_rng_state(), state)


def test_what_is_out_of_range_is_told():
    with pytest.raises(InvalidValueError, match="frames: expected 1 … 30, got 31"):
        crop_frames(numbered(), 31, generator=drawn())
    with pytest.raises(InvalidValueError, match=r"images: .* got \(4, 3, 24, 30\)"):
        shift_level(torch.ones(4, 3, 24, 30), 6.0, generator=drawn())
    with pytest.raises(InvalidValueError, match="bands: expected 0 … 24, got 25"):
        mask_spans(numbered(), bands=25, frames=0, generator=drawn())
