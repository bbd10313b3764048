"""Looks for the operation whose result was the first that is not finite, after a loss was not.

For a step or so, and never unless a loss was not finite: every operation of PyTorch, forward and backward, passes a dispatch
mode that calls it as it was called, so that no number changes, and looks at what comes out. `torch.autograd.detect_anomaly`
does the same for the backward pass, but raises in the script's loop, and names no operation of the forward pass. Only plain
tensors are looked at: to ask a sharded one may wait for other processes. Training thread.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode, _get_current_dispatch_mode
from torch.utils._pytree import tree_leaves

from tuimon.monitor.probe.layers import compiled

_HUNTS = 3
_BOUNDARIES = 6  # before the optimizer's steps, of a script that logs rarely
# words in the names of operations that fill, copy or look at numbers, and compute none: an infinity is meant there
_MOVE = frozenset((
    "fill", "full", "where", "scatter", "copy", "pad", "scalar", "empty", "tensor", "set", "lift", "view", "t", "transpose",
    "permute", "select", "slice", "detach", "expand", "clone", "squeeze", "unsqueeze", "index", "alias", "stack", "cat",
    "split", "chunk", "unbind", "repeat", "resize",
))  # fmt: skip
_PLAIN = (Tensor, nn.Parameter)
_OURS = (str(Path(torch.__file__).parent), str(Path(__file__).parents[2]))


class Origin(NamedTuple):
    """Where the first result came from that is not finite.

    Attributes:
        operation: PyTorch's name of it.
        place: file and line of the script or model.
        module: the innermost module; None outside.
        backward: whether it was in the backward pass.
        given: what came in: `finite` or `infinite` numbers, a `weight` that was NaN, or `data`.
    """

    operation: str
    place: str
    module: nn.Module | None
    backward: bool
    given: str


class Hunt:
    """Watches all operations after a loss was not finite, until the next one.

    Args:
        model: whose modules are named; one that is compiled is left alone.
        notice: takes what was found.
    """

    def __init__(self, model: nn.Module, notice: Callable[[str], None]) -> None:
        self._model, self._notice = model, notice
        self._mode: _Mode | None = None
        self._found: Origin | None = None
        self._left = 0 if compiled(model) else _HUNTS
        self._passed = 0

    @property
    def on(self) -> bool:
        """Whether operations are being watched."""
        return self._mode is not None

    def begin(self) -> None:
        """A loss was not finite: watches from here on, unless it has looked in vain often enough."""
        if self._mode is None and self._left > 0:
            self._left -= 1
            self._passed = 0
            self._mode = _Mode()  # type: ignore[no-untyped-call]
            self._mode.__enter__()  # type: ignore[no-untyped-call]

    def passes(self, step: int, logged: bool, lost: bool) -> None:
        """A boundary of the loop: ends where a loss has been `logged` since, and tells if that is `lost`, too."""
        self._passed += 1
        if logged or self._passed >= _BOUNDARIES:
            self.end()
            if self._mode is None and self._found is not None and lost:
                self._left = 0
                self._notice(_told(self._found, self._model, step))

    def end(self) -> None:
        """Stops watching, where nothing that the script has begun meanwhile is still on top."""
        mode = self._mode
        self._found = mode.found if mode else None
        if mode is not None and _get_current_dispatch_mode() is mode:
            mode.__exit__(None, None, None)  # type: ignore[no-untyped-call]
            self._mode = None


class _Mode(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Passes operations on, and keeps where the first result came from that is not finite."""

    supports_higher_order_operators = True  # else flex attention, say, would raise
    found: Origin | None = None

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        schema = getattr(func, "_schema", None)  # None of operators that call others
        if self.found is not None or schema is None or (torch.cuda.is_available() and torch.cuda.is_current_stream_capturing()):
            return func(*args, **given)
        before = self._quietly(args, given) if schema.is_mutable else None
        result = func(*args, **given)
        with contextlib.suppress(Exception):  # an operation that cannot be looked at is none that is told
            self._look(func, result, _not_finite((args, given)) if before is None else before)
        return result

    def _quietly(self, args: Any, given: Any) -> list[Tensor] | None:
        """What of the arguments is not finite, before an operation changes them; None if that cannot be looked at."""
        try:
            return _not_finite((args, given))
        except Exception:
            return None

    def _look(self, func: Any, result: Any, given: list[Tensor]) -> None:
        name = func._schema.name.partition("::")[2]
        if not _MOVE.isdisjoint(name.split("_")):
            return
        bad = _not_finite(result)
        if not bad:
            return
        had_nan = any(bool(one.isnan().any()) for one in given)
        if given and not had_nan and not any(bool(one.isnan().any()) for one in bad):
            return  # an infinity that was meant is passed on
        leaf = any(one.is_leaf and one.requires_grad for one in given)
        what = "finite" if not given else "infinite" if not had_nan else "weight" if leaf else "data"
        self.found = Origin(name, *_where(sys._getframe(2)), what)


def _not_finite(values: Any) -> list[Tensor]:
    """The tensors of numbers among some values that are not all finite."""
    with torch.no_grad():
        return [
            one
            for one in tree_leaves(values)
            if type(one) in _PLAIN and (one.is_floating_point() or one.is_complex()) and not bool(one.isfinite().all())
        ]


def _where(frame: FrameType | None) -> tuple[str, nn.Module | None, bool]:
    """The script's place in the code, the innermost module, whether the backward pass runs."""
    place, module, backward = "", None, False
    for one in _frames(frame):
        name = one.f_code.co_filename
        if module is None and one.f_code.co_name == "_call_impl" and isinstance(caller := one.f_locals.get("self"), nn.Module):
            module = caller
        backward |= one.f_code.co_name == "_engine_run_backward"
        if not place and not name.startswith((*_OURS, "<")):
            place = f"{Path(name).name}:{one.f_lineno}"
    return place, module, backward


def _frames(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _told(origin: Origin, model: nn.Module, step: int) -> str:
    names = {id(module): name for name, module in model.named_modules()}
    layer = names.get(id(origin.module), "") if origin.module is not None else ""
    where = f"{f' in {layer}' if layer else ''}{f' at {origin.place}' if origin.place else ''}"
    way = " on the way back" if origin.backward else ""
    if origin.given == "weight":
        return f"step {step}: weights are not finite any more; the first to read them is {origin.operation}{where}"
    if origin.given == "data":
        return f"step {step}: the data has numbers that are not finite; the first to read them is {origin.operation}{where}"
    return (
        f"step {step}: the first result that is not finite is that of {origin.operation}{where}{way}, of {origin.given} numbers"
    )
