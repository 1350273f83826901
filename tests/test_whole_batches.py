"""Passes in which every row counts: asked for within a block, also after an error."""

import pytest

from imprint.whole_batches import wanted_whole, whole_batches


def test_it_lasts_as_long_as_the_outermost_block():
    with whole_batches():
        with whole_batches():
            assert wanted_whole()
        assert wanted_whole()
    assert not wanted_whole()


def test_an_error_ends_it():
    with pytest.raises(KeyError), whole_batches():
        raise KeyError
    assert not wanted_whole()
