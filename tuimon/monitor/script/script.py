"""Runs a training script as Python would, and watches it without a line of it.

    python -m tuimon.monitor.script.script RUN_DIR SCRIPT [ARGUMENTS…]

The script is `__main__`, with its own arguments and its own folder first on the path. PyTorch is not imported before it: a
script may still choose what PyTorch reads from the environment then. Exit codes are the script's own: 1 after an uncaught
exception, 130 after a stop.
"""

from __future__ import annotations

import atexit
import os
import sys
import types
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

from tuimon.monitor import folder

_FAILED, _STOPPED = 1, 130


def main(arguments: list[str]) -> Any:
    """Runs the script; returns what it exits with."""
    run_dir, script, *words = arguments
    folder.give(Path(run_dir))
    sys.meta_path.insert(0, _WhenTorchComes(lambda: _watch(Path(run_dir))))
    sys.argv = [script, *words]
    sys.path.insert(0, os.path.dirname(os.path.realpath(script)))
    code = _run(script)
    if code in (0, None):
        atexit.register(_tell_if_unwatched, script)  # not before threads of the script's own that still train are through
    return code


def _run(script: str) -> Any:
    path = os.path.abspath(script)  # as Python has it: the script may change the folder and look for its source then
    module = types.ModuleType("__main__")
    module.__dict__.update(__file__=path, __builtins__=__builtins__)
    sys.modules["__main__"] = module
    try:
        exec(compile(Path(path).read_bytes(), path, "exec", dont_inherit=True), module.__dict__)
    except SystemExit as leaving:
        return leaving.code
    except KeyboardInterrupt as error:
        sys.last_value = error
        print(f"tuimon: {script} ended: {str(error) or 'interrupted'}", file=sys.stderr)
        return _STOPPED
    except BaseException as error:
        sys.last_value = error  # as Python itself keeps it, for those who look at exit how a program ended
        trace = error.__traceback__ and error.__traceback__.tb_next  # from the script's own first line on
        sys.excepthook(type(error), error.with_traceback(trace), trace)
        return _FAILED
    return 0


def _tell_if_unwatched(script: str) -> None:
    if folder.take_given():
        print("tuimon: no optimizer of torch's made a step in this process: there was nothing to watch", file=sys.stderr)
        if hasattr(sys.modules["__main__"], "build"):
            print(f"A file with build(spec) is a model: tuimon run digits-mlp model.name={script}", file=sys.stderr)


def _watch(run_dir: Path) -> None:
    try:
        from tuimon.monitor.script.unasked import UnaskedWatch

        UnaskedWatch(run_dir)
    except Exception as error:
        print(f"tuimon: cannot watch this training: {type(error).__name__}: {error}; it goes on", file=sys.stderr)


class _WhenTorchComes(MetaPathFinder):
    """Does something as soon as torch has been imported, once; others may look before whether there is a torch."""

    def __init__(self, then: Callable[[], None]) -> None:
        self._then = then

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None) -> ModuleSpec | None:
        """Finds torch as the others would, and has its loader call back."""
        if fullname != "torch":
            return None
        others = [finder.find_spec for finder in sys.meta_path if finder is not self and hasattr(finder, "find_spec")]
        spec = next((found for find in others if (found := find(fullname, path, target))), None)
        if spec is not None and spec.loader is not None:
            spec.loader.exec_module = self._and_then(spec.loader.exec_module)  # type: ignore[assignment]
        return spec

    def _and_then(self, load: Callable[[types.ModuleType], Any]) -> Callable[[types.ModuleType], None]:
        def exec_module(module: types.ModuleType) -> None:
            load(module)
            if self in sys.meta_path:
                sys.meta_path.remove(self)
                self._then()

        return exec_module


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
