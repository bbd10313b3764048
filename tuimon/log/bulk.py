"""Many histograms as bytes at once. Apart from `wire`, whose other users need no numpy. Pure functions; any thread."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tuimon.log import histogram as bins
from tuimon.log.wire import field, utf8


def histogram_values(tags: Sequence[str], counts: NDArray[np.float64], moments: NDArray[np.float64]) -> bytes:
    """A `Summary` holding histograms, as `wire.histogram_value` makes them one by one.

    Args:
        tags: [histograms].
        counts: [histograms, BINS].
        moments: [histograms, 4]: min, max, sum and sum of squares.
    """
    used = counts != 0
    used[:, bins.ZERO] = True
    used[:, :-1] |= used[:, 1:]
    total = counts.sum(1)
    values = []
    for i, (low, high, sum_, squares) in enumerate(moments.tolist()):
        packed = struct.pack("<BdBdBdBdBd", 0x09, low, 0x11, high, 0x19, total[i], 0x21, sum_, 0x29, squares)
        buckets = field(6, _EDGES[used[i]].tobytes()) + field(7, counts[i, used[i]].tobytes())
        values.append(field(1, field(1, utf8(tags[i])) + field(5, packed + buckets)))
    return b"".join(values)


_EDGES = np.array(bins.edges())
