import torch
from torch import nn

from imprint.taps import clock_of, forward_stamps, take_turns


class Clock:
    time = 0.0

    def __call__(self):
        return self.time


class Slow(nn.Module):
    """Passes values on, and lets the clock go on."""

    def __init__(self, clock, seconds):
        super().__init__()
        self.clock, self.seconds = clock, seconds

    def forward(self, values):
        self.clock.time += self.seconds
        return values + 0


def test_turns_end_after_the_seconds_yet_not_before_five_rounds():
    clock = Clock()

    def action(seconds):
        def act():
            clock.time += seconds
            return clock.time

        return act

    order = take_turns({"a": action(1.0), "b": action(1.0)}, seconds=14.0, clock=clock)
    assert order == {"a": [3, 5, 7, 9, 11, 13, 15], "b": [4, 6, 8, 10, 12, 14, 16]}
    assert len(take_turns({"a": action(99.0)}, seconds=1.0, clock=clock)["a"]) == 5
    assert len(take_turns({"a": action(0.0)}, seconds=1.0, clock=clock)["a"]) == 15


def test_stamps_are_in_the_order_asked_for():
    clock = Clock()
    model = nn.Sequential(*(Slow(clock, seconds) for seconds in (1, 2, 4)))
    assert forward_stamps(model, torch.ones(1), ["2", "0"], clock=clock) == (7, 1, 7)


def test_the_processors_clock_goes_on():
    clock = clock_of(torch.device("cpu"))
    assert clock() <= clock()
