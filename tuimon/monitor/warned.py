"""Keeps Python's memory of which warnings a script has had already.

Python forgets it whenever the filters of warnings are touched, as many a library does when it is imported: what a script warns
about in a loop would be printed once more, though the script itself has changed nothing. Training thread.
"""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Iterator
from typing import Any

_REGISTRY, _VERSION = "__warningregistry__", "version"


@contextlib.contextmanager
def memory_kept() -> Iterator[None]:
    """Remembers each module's warnings during what is done in here; also works as a decorator."""
    before = _version()
    try:
        yield
    finally:
        _carry_over(before, _version())


class _NoWarning(Warning):
    """Asks for the version of the filters; never shown."""


def _version() -> object:
    """The version of the filters, which Python itself tells only in a registry; None where it is not told."""
    registry: dict[Any, Any] = {}
    unshown: Any = ("ignore", None, _NoWarning, None, 0)
    filters: Any = warnings.filters
    filters.insert(0, unshown)  # past the functions that would change the version
    try:
        warnings.warn_explicit("", _NoWarning, __file__, 1, registry=registry)
    finally:
        filters.remove(unshown)
    return registry.get(_VERSION)


def _carry_over(before: object, after: object) -> None:
    if before == after:
        return
    for module in list(sys.modules.values()):
        registry = getattr(module, "__dict__", {}).get(_REGISTRY)
        if isinstance(registry, dict) and registry.get(_VERSION) == before:
            registry[_VERSION] = after
