"""Numbers as people read them."""

import pytest

from tuimon.base import format


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (950.0, "950"),
        (999.9, "1k"),
        (12_500.0, "12.5k"),
        (-3.1e6, "-3.1M"),
        (9.99e20, "999E"),
        (1e32, "1e32"),
        (-2.5e21, "-2.5e21"),
        (5e-3, "5m"),
        (3e-12, "3p"),
        (1e-15, "1e-15"),
        (1e-40, "1e-40"),
    ],
)
def test_prefixes_end_where_nobody_reads_them(value: float, text: str) -> None:
    """Beyond the largest and the smallest one stands a plain exponent, never both."""
    assert format.si(value) == text


def test_an_axis_of_an_exploded_loss_has_plain_exponents() -> None:
    """Up to the largest floats."""
    assert [format.tick(value, 5e31) for value in (0.0, 5e31, 1e32, 1.5e32)] == ["0", "5e31", "1e32", "1.5e32"]
    assert [format.tick(value, 1e-40) for value in (1e-40, 2e-40)] == ["1e-40", "2e-40"]


@pytest.mark.parametrize("wall", [float("nan"), float("inf"), -float("inf"), 1e300])
def test_what_is_no_time_has_no_time_of_day(wall: float) -> None:
    """Nor is it an error."""
    assert format.time_of_day(wall) == "--:--:--"
