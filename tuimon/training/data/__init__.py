"""Loads the data of a spec: reads, splits and scales them once, and keeps them on the device.

The splits are small enough for memory, so a batch is one `index_select`, and no worker processes are needed.
"""

from tuimon.training.data.loading import load
from tuimon.training.data.split import Data, Split, order

__all__ = ["Data", "Split", "load", "order"]
