import pytest

from imprint.skipping.epochs import choose_seconds, load_seconds


class Slow:
    """Batches that take time of a clock that the test holds: `start`, then one each."""

    def __init__(self, count, start, batch):
        self.count, self.start, self.seconds_of, self.time = count, start, batch, 0.0
        self.given, self.passes = 0, 0

    def __len__(self):
        return self.count

    def clock(self):
        return self.time

    def epoch(self, epoch, kept=None, *, whole=False):
        self.passes += 1
        self.time += self.start
        for _ in range(self.count):
            self.time += self.seconds_of / self.passes  # the machine becomes quieter
            self.given += 1
            yield None


@pytest.mark.parametrize("count", [2, 5, 100])
def test_the_fastest_pass_counts_and_the_start_stands_alone(count):
    slow = Slow(count, start=0.5, batch=0.3)
    loaded = load_seconds(slow, clock=slow.clock, seconds=1000.0)
    assert loaded == pytest.approx((0.1, 0.5))
    assert slow.given <= 3 * 24 + 3


def test_one_batch_alone_counts_whole():
    slow = Slow(1, start=0.5, batch=0.3)
    assert load_seconds(slow, clock=slow.clock) == pytest.approx((0.6, 0.0))


def test_a_slow_loader_is_not_waited_for_again():
    slow = Slow(5, start=0.0, batch=3.0)
    assert load_seconds(slow, clock=slow.clock) == pytest.approx((3.0, 0.0))
    assert slow.passes == 1


def test_choosing_is_timed_and_the_least_counts():
    ticks = iter([0.0, 5.0, 10.0, 12.0, 20.0, 24.0])
    assert choose_seconds(100, keep=0.3, clock=lambda: next(ticks)) == 2.0
