"""The data that a spec names: read, split, prepared once, and kept whole on the device.

The splits are small enough to stay in memory, so that a batch is one `index_select` and no worker process is needed.
"""

from tuimon.training.data.loading import load
from tuimon.training.data.split import Data, Split, order

__all__ = ["Data", "Split", "load", "order"]
