"""Where ticks stand and what they say."""

import pytest

from tuimon.viewer.draw import ticks


@pytest.mark.parametrize(
    ("span", "parts", "step"), [(1.0, 5, 0.2), (10.0, 4, 5.0), (7.0, 7, 1.0), (1e-7, 10, 1e-8), (0.0, 5, 1.0), (3e38, 3, 1e38)]
)
def test_steps_are_one_two_or_five(span, parts, step):
    """The step is the smallest round one that gives no more parts than requested."""
    assert ticks.nice_step(span, parts) == pytest.approx(step)


def test_linear_ticks_lie_at_multiples_within_the_range():
    """Labels have only the decimals that the step needs."""
    assert [t.label for t in ticks.linear(0.1, 2.3, 5)] == ["0.5", "1.0", "1.5", "2.0"]
    assert [t.label for t in ticks.linear(-1, 1, 2)] == ["-1", "0", "1"]


def test_a_log_axis_has_decades():
    """Decades are thinned to fit; within less than two decades, 2 and 5 get ticks, too."""
    assert [t.label for t in ticks.decades(-3, 2, 10)] == ["0.001", "0.01", "0.1", "1", "10", "100"]
    assert [t.value for t in ticks.decades(-12, 12, 4)] == [-12, -6, 0, 6, 12]
    assert [t.label for t in ticks.decades(-0.1, 0.8, 5)] == ["1", "2", "5"]


def test_step_ticks_are_whole_numbers():
    """No half steps; thousands are separated, and large numbers have SI prefixes."""
    assert [t.label for t in ticks.steps(0, 2, 8)] == ["0", "1", "2"]
    assert [t.label for t in ticks.steps(0, 2000, 2)] == ["0", "1 000", "2 000"]
    assert [t.label for t in ticks.steps(0, 1_000_000, 2)] == ["0", "500k", "1M"]


def test_clock_ticks_are_those_of_a_clock():
    """Seconds, minutes, hours and days, not multiples of a hundred seconds."""
    assert [t.label for t in ticks.clock(0, 100, 4)] == ["0:00", "0:30", "1:00", "1:30"]
    assert [t.label for t in ticks.clock(0, 7200, 2)] == ["0:00", "1:00:00", "2:00:00"]
    assert [t.label for t in ticks.clock(0, 4 * 86400, 2)] == ["0:00", "2d 00h", "4d 00h"]
    assert [t.label for t in ticks.clock(0, 0.4, 2)] == ["0s", "0.2s", "0.4s"]


@pytest.mark.parametrize(
    ("found", "labels"),
    [
        (ticks.linear(0.1, 0.10004, 2), ["0.1", "0.10002", "0.10004"]),
        (ticks.linear(1_000_000, 1_000_050, 1), ["1M", "1.00005M"]),
        (ticks.decades(3, 3.004, 2), ["1000", "1005", "1009"]),
        (ticks.decades(0, 4, 4), ["1", "10", "100", "1000", "10000"]),
        (ticks.steps(1_000_000, 1_000_020, 2), ["1 000 000", "1 000 010", "1 000 020"]),
        (ticks.clock(270_000, 270_120, 2), ["75:00:00", "75:01:00", "75:02:00"]),
        (ticks.clock(100_000, 100_001, 2), ["100ks", "100.0005ks", "100.001ks"]),
    ],
)
def test_no_two_ticks_say_the_same(found, labels):
    """Even if the values differ little compared with their size."""
    assert [tick.label for tick in found] == labels


def test_epoch_ticks_stand_at_their_steps():
    """The positions are steps, the labels epochs."""
    assert ticks.epochs(0, 1000, 2, 250.0) == [(0, "0"), (500, "2"), (1000, "4")]


def test_a_snapped_range_holds_the_range_and_moves_seldom():
    """A little growth does not change it."""
    assert ticks.snap(0.13, 2.31, 16) == pytest.approx((0.0, 2.4))
    assert ticks.snap(0.13, 2.35, 16) == ticks.snap(0.13, 2.31, 16)
