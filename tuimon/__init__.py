"""Launch PyTorch training, watch it live and steer it, from a terminal.

    import tuimon

    monitor = tuimon.watch(model, optimizer)
    ...
    monitor.log(loss=loss)

Importing this package is cheap: torch is imported when `watch` is first used, numpy when `read_run` or `diagnose` is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuimon.base.errors import TuimonError
from tuimon.base.version import __version__

if TYPE_CHECKING:
    from tuimon.diagnosis.history import diagnose
    from tuimon.log.reader import read_run
    from tuimon.monitor.monitor import Monitor
    from tuimon.monitor.watch import watch

__all__ = ["Monitor", "TuimonError", "__version__", "diagnose", "read_run", "watch"]

_HOMES = {
    "Monitor": "tuimon.monitor.monitor",
    "watch": "tuimon.monitor.watch",
    "read_run": "tuimon.log.reader",
    "diagnose": "tuimon.diagnosis.history",
}


def __getattr__(name: str) -> Any:
    """Imports the home of a public name at its first use."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'tuimon' has no attribute {name!r}")
    import importlib

    value = globals()[name] = getattr(importlib.import_module(home), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
