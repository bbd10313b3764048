"""Numbers as text: the one place that formats base units for users.

NaN is "nan", infinity is "inf", and a missing value (None) is a dash. Pure functions, any thread.
"""

from __future__ import annotations

import math
import time

_BIG = "kMGTPE"
_SMALL = "munp"
_GIB = 1024.0**3
_MIB = 1024.0**2


def missing(ascii: bool = False) -> str:
    """The text for a missing value."""
    return "-" if ascii else "–"


def number(value: float | None, ascii: bool = False) -> str:
    """A metric in three significant digits: `0.312`, `12.5`, `1 204`, `5.0e-4`."""
    if value is None:
        return missing(ascii)
    if not math.isfinite(value):
        return _not_finite(value)
    size = abs(value)
    if size == 0:
        return "0"
    if size < 1e-3 or size >= 1e6:
        return scientific(value)
    if size >= 1000:
        return count(round(value))
    exponent = int(f"{size:.2e}".partition("e")[2])  # after rounding: 0.0099999998 is shown as 0.0100
    return f"{value:.{max(0, 2 - exponent)}f}"


def scientific(value: float | None, ascii: bool = False) -> str:
    """Two significant digits and a short exponent: `1.2e-2`; always at most seven characters."""
    if value is None:
        return missing(ascii)
    if not math.isfinite(value):
        return _not_finite(value)
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def tick(value: float, step: float) -> str:
    """An axis label for a multiple of `step`, with enough digits to distinguish it from the next one."""
    if value == 0:
        return "0"
    digits = max(3, math.floor(math.log10(abs(value)) + 1e-9) - math.floor(math.log10(step) + 1e-9) + 1)
    if abs(value) >= 1e5:
        return si(value, digits=digits)
    if step < 1e-4:
        return f"{value:.{digits}g}".replace("e-0", "e-")
    return f"{value:.{max(0, -math.floor(math.log10(step) + 1e-9))}f}"


def si(value: float | None, ascii: bool = False, digits: int = 3) -> str:
    """A number with an SI prefix and at most `digits` digits: `950`, `1.2k`, `3.1M`, `5m`; beyond the prefixes, `1e32`."""
    if value is None:
        return missing(ascii)
    if not math.isfinite(value):
        return _not_finite(value)
    size = abs(value)
    if size == 0 or 1 <= size < 999.5:
        return f"{value:.{digits}g}"
    thousands = math.floor(math.log10(size * 1.0005) / 3)
    if not -len(_SMALL) <= thousands <= len(_BIG):
        return f"{value:.{digits}g}".replace("e+", "e")
    prefix = _BIG[thousands - 1] if thousands > 0 else _SMALL[-thousands - 1] if thousands < 0 else ""
    return f"{value / 1000.0**thousands:.{digits}g}{prefix}"


def count(value: float | None, ascii: bool = False) -> str:
    """A whole number with spaces between thousands: `1 204`."""
    if value is None:
        return missing(ascii)
    if not math.isfinite(value):
        return _not_finite(value)
    return f"{round(value):,}".replace(",", " ")


def gib(size_bytes: float | None, ascii: bool = False) -> str:
    """Bytes as GiB (1024³): `2.1 G`, `141 G`; below a tenth as MiB: `87 M`."""
    if size_bytes is None:
        return missing(ascii)
    if not math.isfinite(size_bytes):
        return _not_finite(size_bytes)
    if size_bytes < 0.1 * _GIB:
        return f"{size_bytes / _MIB:.0f} M"
    size = size_bytes / _GIB
    return f"{size:.1f} G" if size < 9.95 else f"{size:.0f} G"


def percent(fraction: float | None, ascii: bool = False) -> str:
    """A fraction as whole percent, with one decimal below one percent: `87 %`, `0.4 %`."""
    if fraction is None:
        return missing(ascii)
    if not math.isfinite(fraction):
        return _not_finite(fraction)
    share = 100 * fraction
    return f"{share:.1f} %" if 0 < abs(share) < 0.95 else f"{share:.0f} %"


def duration(seconds: float | None, ascii: bool = False) -> str:
    """A duration as a clock shows it: `0:07`, `1:12`, `2:05:09`, `3d 04h`."""
    if seconds is None:
        return missing(ascii)
    if not math.isfinite(seconds):
        return _not_finite(seconds)
    hours = round(abs(seconds)) // 3600
    if hours >= 48:
        return f"{'-' if seconds < 0 else ''}{hours // 24}d {hours % 24:02d}h"
    return clock(seconds)


def clock(seconds: float) -> str:
    """A duration to the second, however long it is: `0:07`, `2:05:09`, `75:05:09`."""
    sign = "-" if seconds <= -0.5 else ""
    minutes, second = divmod(round(abs(seconds)), 60)
    hours, minute = divmod(minutes, 60)
    return f"{sign}{hours}:{minute:02d}:{second:02d}" if hours else f"{sign}{minute}:{second:02d}"


def age(seconds: float | None, ascii: bool = False) -> str:
    """An age in the largest unit that fits: `now`, `12 s`, `5 min`, `3 h`, `2 d`."""
    if seconds is None or not math.isfinite(seconds):
        return missing(ascii)
    if seconds < 1.5:
        return "now"
    for limit, size, unit in ((90, 1, "s"), (5400, 60, "min"), (129_600, 3600, "h")):
        if seconds < limit:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86_400:.0f} d"


def time_of_day(wall_time: float) -> str:
    """The local time of day of a wall time: `14:05:09`; `--:--:--` if it is not a time."""
    try:
        return time.strftime("%H:%M:%S", time.localtime(wall_time))
    except (ValueError, OverflowError, OSError):  # NaN, infinite, or beyond any date
        return "--:--:--"


def rate(per_second: float | None, ascii: bool = False) -> str:
    """Steps per second: `412 it/s`; below one, seconds per step: `2.5 s/it`."""
    if per_second is None or math.isnan(per_second):
        return f"{missing(ascii)} it/s"
    if 0 < per_second < 1:
        return f"{1 / per_second:.3g} s/it"
    return f"{si(per_second)} it/s"


def scale(value: float, ascii: bool = False) -> str:
    """A factor: `½`, `¼`, `×2`, `×0.3`."""
    if not ascii and value in (0.5, 0.25, 0.125):
        return {0.5: "½", 0.25: "¼", 0.125: "⅛"}[value]
    if ascii and 0 < value < 1 and (1 / value).is_integer():
        return f"1/{1 / value:.0f}"
    return f"{'x' if ascii else '×'}{value:.3g}"


def _not_finite(value: float) -> str:
    return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
