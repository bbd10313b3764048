"""Imported by every Python process of a program that `tuimon run` starts, before the program itself.

Python's own `site` imports the first module of this name on the path, and the launcher has put this folder there. So the
program is started by Python alone, exactly as without tuimon, and so are the Python processes that it starts. This module only
arranges to be called back when PyTorch has been imported. Pythons that have no tuimon run it, too: it imports nothing but the
standard library.
"""

from __future__ import annotations

import atexit
import os
import sys

TYPE_CHECKING = False  # as typing's own, whose import would take time in every process
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

_GIVEN = "TUIMON_RUN_FOLDER"  # as in tuimon.base.given, which not every Python has
_TOKEN = ".unwatched"
_MOST_CHARACTERS = 1000
_why_unwatched: list[Callable[[], str]] = []  # one, once torch is there


class _WhenTorchComes:
    """Calls `then` once, as soon as torch has been imported; others may look before whether there is a torch."""

    def __init__(self, then: Callable[[], None]) -> None:
        self._then = then

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Finds torch as the other finders would, and has its loader call back."""
        if name != "torch":
            return None
        others = [finder.find_spec for finder in sys.meta_path if finder is not self and hasattr(finder, "find_spec")]
        spec = next((found for find in others for found in [find(name, path, target)] if found), None)
        if spec is not None and spec.loader is not None:
            spec.loader.exec_module = self._and_then(spec.loader.exec_module)  # type: ignore[method-assign, assignment]
        return spec

    def _and_then(self, load: Callable[[ModuleType], None]) -> Callable[[ModuleType], None]:
        def exec_module(module: ModuleType) -> None:
            load(module)
            if self in sys.meta_path:
                sys.meta_path.remove(self)
                self._then()

        return exec_module


def _watch() -> None:
    try:
        from tuimon.monitor.script.unasked import watch_unasked

        _why_unwatched.append(watch_unasked())
    except Exception as error:  # the training goes on unwatched
        atexit.unregister(_note_what_was_seen)
        _note(f"why {sys.executable} cannot watch: {type(error).__name__}: {error}")


def _note_what_was_seen() -> None:
    error = getattr(sys, "last_value", None)  # which Python keeps of one that ends the program
    if error is not None and not isinstance(error, KeyboardInterrupt):
        _note(f"end {os.getpid()} {_told(error)}")
    if hasattr(sys.modules.get("__main__"), "build"):
        _note(f"why a file with build(spec) is a model: tuimon run digits-mlp model.name={sys.argv[0]}")
    elif _why_unwatched and (why := _why_unwatched[0]()):
        _note(f"why {why}")


def _told(error: BaseException) -> str:
    try:
        from tuimon.base import failure

        return failure.told(error)
    except Exception:
        return type(error).__name__


def _note(text: str) -> None:
    """Leaves word for the supervisor, as `tuimon.base.given` reads it, as long as no process is watched."""
    try:
        token = os.open(os.path.join(os.environ[_GIVEN], _TOKEN), os.O_WRONLY | os.O_APPEND)
        os.write(token, " ".join(text[:_MOST_CHARACTERS].split("\n")).encode("utf-8", "replace") + b"\n")
        os.close(token)
    except (OSError, KeyError):
        pass


def _import_other() -> None:
    """Imports the module of this name that would have been imported without this folder on the path."""
    here, this = os.path.dirname(os.path.abspath(__file__)), sys.modules.pop(__name__)
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != here]
    try:
        import sitecustomize  # type: ignore[import-not-found] # noqa: F401 - the other one
    except ImportError as error:
        if error.name != __name__:
            raise
    finally:
        sys.modules.setdefault(__name__, this)


if os.environ.get(_GIVEN) and __name__ == "sitecustomize":
    sys.meta_path.insert(0, _WhenTorchComes(_watch))
    atexit.register(_note_what_was_seen)
    _import_other()
