"""Charts of one run at one step, besides its curves: histograms, bars by layer, heat maps, boxes, the confusion matrix.

Each returns rows of text, or raises a TuimonError that says what the log would need to have.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tuimon.base import format
from tuimon.base.errors import TuimonError
from tuimon.base.plain import one_line
from tuimon.log.confusion import PREFIX, Confusion, decode
from tuimon.log.histogram import HIGH_EXPONENT, LOW_EXPONENT, ZERO
from tuimon.log.series import HistogramSeries, Series
from tuimon.log.store import Store
from tuimon.paper import figure
from tuimon.paper.figure import Frame
from tuimon.paper.ink import Ink, Size
from tuimon.paper.tags import matching, unknown
from tuimon.viewer.draw import ticks
from tuimon.viewer.draw.histogram import exponent_range
from tuimon.viewer.draw.rows import cells, cut, shorten

KINDS = ("hist", "bar", "heatmap", "box", "confusion")
_MAGNITUDES = ("grad_norm", "update_ratio")  # these differ by powers of ten from layer to layer
_QUARTERS = (0.0, 0.25, 0.5, 0.75, 1.0)


def hist(store: Store, patterns: Sequence[str], step: int | None, size: Size, ink: Ink) -> list[str]:
    """One histogram for each tag, over signed powers of two; the samples of layers `gradient/…` and `activation/…`."""
    rows: list[str] = []
    for tag in _histograms(store, patterns)[:4]:
        series = store.histograms[tag]
        at = _sample(series, step)
        counts = _finite(series.counts[at])
        low, high = exponent_range(counts)
        exponents = np.arange(low, high + 1)
        negative = counts[ZERO - (exponents - LOW_EXPONENT + 1)][::-1]
        positive = counts[ZERO + (exponents - LOW_EXPONENT + 1)]
        inner = counts.sum() - negative.sum() - positive.sum()  # zero, and what is too small to be shown
        values = [*negative, inner, *positive]
        names = [*(f"-2^{e}" for e in exponents[::-1]), "0", *(f"2^{e}" for e in exponents)]
        every = max(1, math.ceil(len(names) * 8 / size.columns))
        middle = len(exponents) + 1
        marks = [(place, name) for place, name in enumerate(names, 1) if (place - middle) % every == 0]
        top = float(max(values)) or 1.0
        parts = max(2, (size.rows - 3) // 3)
        y_ticks = [(tick.value, tick.label) for tick in ticks.linear(0, top, parts)]
        head = f"{one_line(tag)} at step {format.count(int(series.steps[at]))}: {format.count(counts.sum())} values"
        head += f" from {format.number(float(series.mins[at]))} to {format.number(float(series.maxs[at]))}"
        frame = Frame(size.columns, size.rows - 1, (0.5, len(values) + 0.5), (0.0, top * 1.02), marks, y_ticks)
        rows += [*([""] if rows else []), cut(head, size.columns, ink.ascii), *figure.bars(values, frame, ink)]
    return rows


def bar(store: Store, patterns: Sequence[str], step: int | None, size: Size, ink: Ink) -> list[str]:
    """One bar a layer, in the model's order: gradient norms, or another statistic of the layers (`weight_norm`)."""
    kind, layers = _by_layer(store, patterns)
    at, values = zip(*(_value(series, step) for series in layers.values()), strict=True)
    log = kind in _MAGNITUDES and all(value > 0 for value in values if math.isfinite(value))
    known = [value for value in values if math.isfinite(value)]
    if not known:
        raise TuimonError(f"{kind} has no finite values at step {format.count(max(at))}.", "Name another one with --step.")
    low = math.floor(math.log10(min(known))) - 0.05 if log else min(0.0, *known)
    lengths = [math.log10(value) - low if log else value for value in values]
    named = min(max(map(cells, layers)), size.columns // 3)
    labels = [f"{_padded(name, named, ink)} {format.number(value):>7}" for name, value in zip(layers, values, strict=True)]
    top = max((length for length in lengths if math.isfinite(length)), default=1.0) or 1.0
    count = len(labels)
    y_ticks = [(count - index, label) for index, label in enumerate(labels)]
    frame = Frame(size.columns, count + 2, (0.0, top), (0.5, count + 0.5), _bar_ticks(low, top, log), y_ticks)
    head = f"{kind} by layer at step {format.count(max(at))}{', logarithmic' if log else ''}"
    return [cut(head, size.columns, ink.ascii), *figure.bars(lengths[::-1], frame, ink, upright=False)]


def _bar_ticks(low: float, top: float, log: bool) -> list[figure.Tick]:
    if log:
        return [(tick.value - low, tick.label) for tick in ticks.decades(low, low + top, 6)]
    return [(tick.value, tick.label) for tick in ticks.linear(0, top, 6)]


def heatmap(store: Store, patterns: Sequence[str], step: int | None, size: Size, ink: Ink) -> list[str]:
    """Shares of each power of two: of one histogram through time, of several by layer at one step."""
    tags = _histograms(store, patterns)
    if len(tags) == 1:
        series = store.histograms[tags[0]]
        columns, names, head = _through_time(series, size.columns), [], f"{one_line(tags[0])} through time"
        first, last = (format.count(int(series.steps[at])) for at in (0, -1))
        foot = f"step {first}" + last.rjust(max(len(columns) - 5 - len(first), len(last) + 1)) * (first != last)
    else:
        at = [_sample(store.histograms[tag], step) for tag in tags]
        columns = np.array([store.histograms[tag].counts[index] for tag, index in zip(tags, at, strict=True)], float)
        names = [one_line(tag.partition("/")[2]) for tag in tags]
        steps = {int(store.histograms[tag].steps[index]) for tag, index in zip(tags, at, strict=True)}
        head, foot = f"{tags[0].partition('/')[0]} by layer at step {format.count(max(steps))}", ""
    labels, table = _magnitudes(_finite(columns), max(size.rows - 3, 3))
    share = table / np.maximum(table.sum(axis=0), 1e-30)
    share = np.sqrt(share / max(float(share.max()), 1e-30))
    wide = 1 if not names else max(min((size.columns - 8) // len(names), 12), 1)
    shades = figure.shaded(share.tolist(), ink, wide)
    rows = [f"{label:>6} {row}".rstrip() for label, row in zip(labels, shades, strict=True)]
    if names:
        foot = "".join(shorten(name, wide - 1, ink.ascii).ljust(wide) for name in names) if wide >= 4 else ", ".join(names)
    key = f"{head}; shade: share of the values by |x|"
    return [cut(key, size.columns, ink.ascii), *rows, cut(f"       {foot}", size.columns, ink.ascii)]


def box(store: Store, patterns: Sequence[str], step: int | None, size: Size, ink: Ink) -> list[str]:
    """A box a layer: quartiles of the magnitudes of its gradients, by the powers of two that the log has."""
    tags = _histograms(store, patterns)
    summaries, steps = [], set()
    for tag in tags:
        at = _sample(store.histograms[tag], step)
        steps.add(int(store.histograms[tag].steps[at]))
        summaries.append(_quartiles(_finite(store.histograms[tag].counts[at])))
    known = [value for summary in summaries for value in summary if math.isfinite(value)]
    if not known:
        raise TuimonError("There are no values but zero.", "Name another step with --step.")
    low, high = math.floor(min(known)), math.ceil(max(known))
    named = min(max(map(cells, tags)), size.columns // 3)
    count = len(tags)
    y_ticks = [(count - index, _padded(one_line(tag), named, ink)) for index, tag in enumerate(tags)]
    every = max(1, math.ceil((high - low) * 7 / max(size.columns - named, 10)))
    x_ticks = [(float(e), f"2^{e}") for e in range(low, high + 1, every)]
    frame = Frame(size.columns, count + 2, (low - 0.2, max(high, low + 1) + 0.2), (0.5, count + 0.5), x_ticks, y_ticks)
    head = f"magnitudes at step {format.count(max(steps))}: lowest, quartiles and highest, without zeros"
    return [cut(head, size.columns, ink.ascii), *figure.boxes(summaries[::-1], frame, ink)]


def confusion(store: Store, patterns: Sequence[str], step: int | None, size: Size, ink: Ink) -> list[str]:
    """The confusion matrix of the last validation at or before a step: classes in rows, what they were taken for in columns."""
    tags = [tag for tag in store.texts if tag.startswith(PREFIX)]
    tags = [tag for pattern in patterns for tag in matching(pattern, tags)] if patterns else tags
    found = [(record.step, matrix) for tag in tags for record in store.texts[tag] if (matrix := decode(record.text))]
    found = [one for one in found if step is None or one[0] <= step]
    if not found:
        hint = "Presets with classes log it at each validation; a script with monitor.log_confusion(counts, class_names)."
        raise TuimonError("No confusion matrix was logged.", hint)
    at, matrix = max(found, key=lambda one: one[0])
    return _matrix_rows(matrix, at, size, ink)


def _matrix_rows(matrix: Confusion, step: int, size: Size, ink: Ink) -> list[str]:
    counts = np.array(matrix.counts, float)
    totals = counts.sum(axis=1)
    share = counts / np.maximum(totals, 1)[:, None]
    right = f"{format.percent(counts.trace() / max(counts.sum(), 1))} of {format.count(counts.sum())} right"
    named = min(max(map(cells, matrix.classes)), max(size.columns // 4, 4))
    wide = max(min((size.columns - named - 2) // len(counts), 7), 1)
    names = [_padded(one_line(name), named, ink) for name in matrix.classes]
    head = [cut(f"confusion at step {format.count(step)}: {right}", size.columns, ink.ascii)]
    head.append(cut("row: the class, column: what it was taken for", size.columns, ink.ascii))
    if wide >= 4:
        head.append(
            " " * (named + 1) + "".join(shorten(one_line(name), wide - 1, ink.ascii).rjust(wide) for name in matrix.classes)
        )
    shades = figure.shaded(np.sqrt(share).tolist(), ink, min(wide, 3))
    if wide >= 4:
        rows = ["".join(_cell(n, row == at, wide) for at, n in enumerate(counts[row])) for row in range(len(names))]
    else:
        rows = shades
    worst = _worst(matrix, counts)
    named_rows = [f"{name} {row}".rstrip() for name, row in zip(names, rows, strict=True)]
    return [*head, *named_rows, *([cut(worst, size.columns, ink.ascii)] if worst else [])]


def _cell(count: float, right: bool, wide: int) -> str:
    """A count; the right ones in brackets, none as a dot."""
    text = f"[{format.si(count)}]" if right else f"{format.si(count)} " if count else ". "
    return text.rjust(wide)


def _worst(matrix: Confusion, counts: NDArray[np.float64]) -> str:
    """The pair that was confused most often."""
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    if not wrong.any():
        return ""
    row, column = np.unravel_index(int(wrong.argmax()), wrong.shape)
    one, other = one_line(matrix.classes[row]), one_line(matrix.classes[column])
    return f"most often confused: {one}, taken for {other} {format.count(wrong[row, column])} times"


def _histograms(store: Store, patterns: Sequence[str]) -> list[str]:
    """The histogram tags that the patterns mean; a layer's name alone means its gradients; by default, all gradients."""
    tags = list(store.histograms)
    if not tags:
        raise TuimonError("No histograms were logged.", "Layers are sampled in runs that tuimon watches.")
    if not patterns:
        return [tag for tag in tags if tag.startswith("gradient/")] or tags
    found: dict[str, None] = {}
    for pattern in patterns:
        fitting = matching(pattern, tags) or matching(f"gradient/{pattern}", tags)
        if not fitting:
            raise unknown(pattern, tags)
        found.update(dict.fromkeys(fitting))
    return list(found)


def _by_layer(store: Store, patterns: Sequence[str]) -> tuple[str, dict[str, Series]]:
    """A statistic of the layers, and its series by layer."""
    kind = (patterns[0] if patterns else "grad_norm").rstrip("/*")
    layers = {one_line(tag.partition("/")[2]): store[tag] for tag in store if tag.startswith(f"{kind}/") and len(store[tag])}
    if not layers:
        kinds = sorted({tag.partition("/")[0] for tag in store if "/" in tag})
        raise TuimonError(f"No layers have {kind!r}.", f"There are: {', '.join(kinds)}." if kinds else "Nothing was sampled.")
    return kind, layers


def _sample(series: HistogramSeries | Series, step: int | None) -> int:
    """The index of the last sample at or before a step; of the first one, where none is."""
    if step is None:
        return len(series) - 1
    return max(int(np.searchsorted(series.steps, step, side="right")) - 1, 0)


def _value(series: Series, step: int | None) -> tuple[int, float]:
    at = _sample(series, step)
    return int(series.steps[at]), float(series.values[at])


def _finite(counts: NDArray[np.floating]) -> NDArray[np.float64]:
    finite: NDArray[np.float64] = np.nan_to_num(np.asarray(counts, float))
    return finite


def _through_time(series: HistogramSeries, columns: int) -> NDArray[np.float64]:
    """Samples summed into at most so many columns."""
    room = max(columns - 8, 1)
    counts = _finite(series.counts)
    group = math.ceil(len(counts) / room)
    summed: NDArray[np.float64] = np.add.reduceat(counts, np.arange(0, len(counts), group), axis=0)
    return summed


def _magnitudes(columns: NDArray[np.float64], rows: int) -> tuple[list[str], NDArray[np.float64]]:
    """Labels and counts [rows, n] of powers of two, the largest on top, zero at the bottom; the signs are added."""
    low, high = exponent_range(columns)
    both = columns[:, ZERO + 1 :] + columns[:, :ZERO][:, ::-1]  # [n, powers]
    every = max(1, math.ceil((high - low + 1) / max(rows - 1, 1)))
    starts = list(range(low, high + 1, every))
    parts = [both[:, max(e - LOW_EXPONENT, 0) : min(e + every, HIGH_EXPONENT + 1) - LOW_EXPONENT].sum(axis=1) for e in starts]
    rest = columns.sum(axis=1) - sum(parts)
    return [*(f"2^{e}" for e in starts[::-1]), "0"], np.array([*parts[::-1], rest])


def _quartiles(counts: NDArray[np.float64]) -> tuple[float, ...]:
    """log2 of the lowest, the quartiles and the highest magnitude, interpolated within its power of two; NaN without values."""
    both = counts[ZERO + 1 :] + counts[:ZERO][::-1]
    total = both.sum()
    if not total:
        return (math.nan,) * len(_QUARTERS)
    share = np.concatenate([[0.0], np.cumsum(both) / total])
    edges = np.arange(LOW_EXPONENT, HIGH_EXPONENT + 2, dtype=float)
    filled = np.flatnonzero(both)
    low, high = edges[filled[0]], edges[filled[-1] + 1]
    return tuple(float(np.clip(np.interp(quarter, share, edges), low, high)) for quarter in _QUARTERS)


def _padded(text: str, width: int, ink: Ink) -> str:
    text = shorten(text, width, ink.ascii)
    return text + " " * (width - cells(text))
