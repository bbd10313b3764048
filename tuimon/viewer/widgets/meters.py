"""The meters of the training machine: its GPUs, CPU and memory."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable

from tuimon.base import format
from tuimon.log.store import Store
from tuimon.viewer.draw.meter import level, meter
from tuimon.viewer.draw.rows import Row, Span
from tuimon.viewer.widgets.drawn import Drawn
from tuimon.viewer.widgets.facts import GPU_TAG, GpuFacts, gpus, no_gpu_reason
from tuimon.viewer.widgets.row_list import RowList

HOST_TAGS = ("system/host/cpu_percent", "system/process/cpu_percent")  # of the meters that every host has
_WIDE = 44


class GpuMeters(RowList):
    """Utilization, memory, power, temperature and processes of each GPU. Readings that are missing show N/A and the reason."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._gpus: list[GpuFacts] = []
        self._measures = True

    def on_mount(self) -> None:
        """Sets the panel's title."""
        self._entitle()

    def measure(self, measures: bool) -> None:
        """Sets whether the run still measures; if not, the panel shows the last readings."""
        if measures != self._measures:
            self._measures = measures
            self._entitle()

    def watched(self, store: Store) -> Hashable:
        """The meters' series and the latest record about the GPUs."""
        versions = sum(series.version for tag, series in store.series.items() if tag.startswith("system/gpu"))
        return versions, len(store.texts.get(GPU_TAG, []))

    def take(self, store: Store) -> None:
        """Reads the GPUs; a single GPU's name becomes the panel's title."""
        self._gpus = gpus(store)
        self._entitle()

    def count(self) -> int:
        """Rows that the GPUs take."""
        return len(self._lines(self.size.width))

    def row(self, index: int, width: int) -> Row:
        """One row."""
        return self._lines(width)[index]

    def empty_text(self) -> str:
        """Why there are no readings, or what will appear."""
        reason = no_gpu_reason(self.store) if self.store else ""
        if reason:
            return f"No GPU meters: {reason}"
        return "No GPU readings yet.\nWith an NVIDIA driver, they update once a second."

    def summary(self) -> str:
        """Why there are no readings."""
        reason = no_gpu_reason(self.store) if self.store else ""
        return f"not metered: {reason}" if reason else "no readings" if self.over else "no readings yet"

    def _entitle(self) -> None:
        one = self._gpus[0] if len(self._gpus) == 1 else None
        title = _gpu_title(one, self.ascii) if one else "GPU"
        self.entitle(title if self._measures or not self._gpus else _last_seen(title, self.ascii))

    def _lines(self, width: int) -> list[Row]:
        named = len(self._gpus) > 1
        return [row for gpu in self._gpus for row in _gpu_rows(gpu, width, named, self.ascii)]


class HostMeters(Drawn):
    """The host's CPU and memory, and the training process's share of them."""

    def on_mount(self) -> None:
        """Sets the panel's title."""
        self.border_title = "host"

    def measure(self, measures: bool) -> None:
        """Sets whether the run still measures; if not, the panel shows the last readings."""
        title = "host" if measures else _last_seen("host", self.ascii)
        if title != self.border_title:
            self.border_title = title

    def watched(self, store: Store) -> Hashable:
        """The meters' series."""
        return tuple(store.series[tag].version if tag in store.series else 0 for tag in HOST_TAGS)

    def summary(self) -> str:
        """That there are none."""
        return "no readings" if self.over else "no readings yet"

    def draw(self, width: int, height: int) -> list[Row]:
        """Two bars and a line, or one line if there is no room for more."""
        store = self.store
        if store is None or not any(tag.startswith(("system/host/", "system/process/")) for tag in store.series):
            return self.nothing("No host readings yet.\nThey update once a second while the run trains.", width, height)
        cpu = store.last("system/host/cpu_percent")
        used, total = store.last("system/host/memory_used_bytes"), store.last("system/host/memory_total_bytes")
        share = used / total if total else math.nan
        process = f"{_percent(store.last('system/process/cpu_percent'))}  {_bytes(store.last('system/process/memory_bytes'))}"
        rows = [
            meter("cpu ", cpu / 100, f"{_percent(cpu):>6}", width, level(cpu / 100, 0.95, 1.01), self.ascii),
            meter("ram ", share, _of(used, total), width, level(share), self.ascii),
            [Span("proc ", "dim"), Span(process, "value")],
        ]
        if height < 3:
            rows[1] = [Span("ram ", "dim"), Span(f"{_of(used, total)}  ", "value"), *rows[2]]
        return rows[:height]


def _last_seen(title: str, ascii: bool) -> str:
    return f"{title}{' - ' if ascii else ' · '}last reading"


def _gpu_title(gpu: GpuFacts, ascii: bool) -> str:
    return f"GPU {gpu.index}" + (f"{' - ' if ascii else ' · '}{gpu.name}" if gpu.name else "")


def _gpu_rows(gpu: GpuFacts, width: int, named: bool, ascii: bool) -> Iterable[Row]:
    if named:
        yield [Span(_gpu_title(gpu, ascii), "title")]
    use = gpu.reading("utilization_percent")
    used, total = gpu.reading("memory_used_bytes"), gpu.reading("memory_total_bytes")
    share = used / total if total else math.nan
    use_row = meter("util", use / 100, _available(_percent(use), use), max(width // 2 - 1, 0), "good", ascii)
    memory_row = meter("mem ", share, _of(used, total), width - width // 2, level(share), ascii)
    if width >= _WIDE:
        yield [*use_row, Span(" " * (width // 2 - sum(len(span.text) for span in use_row))), *memory_row]
    else:
        yield meter("util", use / 100, _available(_percent(use), use), width, "good", ascii)
        yield meter("mem ", share, _of(used, total), width, level(share), ascii)
    yield _power_row(gpu, ascii)
    for name, reason in gpu.reasons.items():
        yield [Span(f"{name.replace('_', ' ')}: N/A ", "dim"), Span(f"({reason})", "dim")]
    for process in gpu.processes:
        memory = "" if math.isnan(process.memory_bytes) else f"  {format.gib(process.memory_bytes)}"
        yield [Span(f"pid {process.pid}", "value"), Span(f"  {process.user}{memory}", "dim")]


def _power_row(gpu: GpuFacts, ascii: bool) -> Row:
    power, limit, heat = gpu.reading("power_w"), gpu.reading("power_limit_w"), gpu.reading("temperature_c")
    watts = "N/A" if math.isnan(power) else f"{power:.0f} W" if math.isnan(limit) else f"{power:.0f}/{limit:.0f} W"
    degrees = "N/A" if math.isnan(heat) else f"{heat:.0f} {'C' if ascii else '°C'}"
    hot = not math.isnan(heat) and heat >= 85
    return [
        Span("power ", "dim"),
        Span(watts, "value"),
        Span("  temp ", "dim"),
        Span(degrees + (" !" if hot else ""), "bad" if hot else "value"),
    ]


def _available(text: str, value: float) -> str:
    return "N/A" if math.isnan(value) else text


def _percent(percent: float) -> str:
    return "N/A" if math.isnan(percent) else format.percent(percent / 100)


def _bytes(size: float) -> str:
    return "N/A" if math.isnan(size) else format.gib(size)


def _of(used: float, total: float) -> str:
    if math.isnan(used):
        return "N/A"
    return _bytes(used) if math.isnan(total) else f"{format.gib(used).removesuffix(' G')}/{format.gib(total)}"
