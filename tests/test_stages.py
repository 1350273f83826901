import pytest

from imprint.stages import Stages


def test_each_stage_is_named_as_it_begins_and_timed_as_it_ends():
    said = []
    stages = Stages(said.append)
    with stages("first"):
        assert said == ["first"]
        assert stages.seconds == {}
    with stages("second"):
        pass
    assert list(stages.seconds) == said == ["first", "second"]
    assert all(seconds >= 0 for seconds in stages.seconds.values())


def test_a_stage_that_fails_is_not_timed():
    stages = Stages(lambda _: None)
    with pytest.raises(ValueError, match="broken"), stages("first"):
        raise ValueError("broken")
    assert stages.seconds == {}
