"""Samples of a validation as rows: pictures with captions, texts, or a table. Pure functions, any thread."""

from __future__ import annotations

from collections.abc import Sequence

from tuimon.base import format
from tuimon.log.samples import COLOURS, Plane, Sample, Samples
from tuimon.log.seen import Seen
from tuimon.viewer.draw.pictures import picture, side_by_side, swatch
from tuimon.viewer.draw.rows import Row, Span, cells, clip, printable, shorten

_WIDEST = 40  # columns of a picture
_WEIGHTS_WIDE, _MOST_WEIGHTS = 16, 24
_LEAST_CAPTION = 18
_WIDEST_NAME = 16
_SURE = "!"
_VISIBLE = str.maketrans({"\n": "¶", "\t": "→", "\r": "¶"})
_ASCII_VISIBLE = str.maketrans({"\n": "$", "\t": ">", "\r": "$"})


def sample_rows(seen: Seen, width: int, *, most: int = 64, ascii: bool = False, shaded: bool = False) -> list[Row]:
    """The samples of a validation, those with the highest loss first.

    Args:
        seen: what was logged.
        width: columns.
        most: how many samples at most.
        ascii: with ASCII's characters alone.
        shaded: pictures without colours.
    """
    chosen = seen.samples.samples[:most]
    rows: list[Row] = [[Span(text, "dim")] for text in _head(seen, len(chosen), width, ascii)]
    rows.append([])
    if seen.plane is not None and seen.samples.plane is not None:
        rows += [*picture(seen.plane[0], width, shaded), *_plane_caption(seen.samples.plane, width, ascii, shaded), []]
    if seen.pictures is not None:
        rows += _pictured(seen, chosen, width, ascii, shaded)
    elif seen.samples.columns:
        rows += _table(seen.samples, chosen, width, ascii)
    else:
        rows += [row for sample in chosen for row in _text(sample, width, ascii)]
    if seen.weights is not None:
        shown = seen.weights[:_MOST_WEIGHTS]
        units = f"{len(shown)} of {len(seen.weights)} units" if len(shown) < len(seen.weights) else f"its {len(shown)} units"
        told = f"weights of {printable(seen.samples.layer)}, a picture for each of {units}: grey is zero"
        tiles = [picture(tile, _WEIGHTS_WIDE, shaded) for tile in shown]
        rows += [[], [Span(shorten(told, width, ascii), "dim")], [], *side_by_side(tiles, width)]
    return [clip(row, width, ascii) for row in rows]


def _head(seen: Seen, count: int, width: int, ascii: bool) -> list[str]:
    of = f"{count} of {format.count(seen.samples.of)} samples of {printable(seen.split)} at step {format.count(seen.step)}"
    how = ", the highest losses first"
    lines = [of + how]
    if any("sure" in sample.why for sample in seen.samples.samples):
        lines.append(f"{_SURE} wrong, and among those that the model was surest of")
    if seen.samples.each == 2:
        lines.append("each input beside its reconstruction")
    return [shorten(line, width, ascii) for line in lines]


def _plane_caption(plane: Plane, width: int, ascii: bool, shaded: bool) -> list[Row]:
    """The ranges of the axes, and what the colours mean."""
    left, right, low, high = (format.number(value) for value in plane.ranges)
    x, y = map(printable, plane.names)
    axes = f"across: {x} from {left} to {right}; up: {y} from {low} to {high}"
    key: Row = []
    if plane.classes and not shaded:
        for name, colour in zip(plane.classes, COLOURS * 2, strict=False):
            key += [swatch(colour), Span(f" {printable(name)}  ", "value")]
    dots = "dots: examples" + (", white where the model is wrong" if plane.classes else ", dark is low")
    return [[Span(shorten(axes, width, ascii), "dim")], [*key, Span(dots, "dim")]]


def _pictured(seen: Seen, chosen: Sequence[Sample], width: int, ascii: bool, shaded: bool) -> list[Row]:
    assert seen.pictures is not None
    each = seen.samples.each
    blocks = []
    for place, sample in enumerate(chosen):
        tiles = seen.pictures[place * each : (place + 1) * each]
        drawn = [picture(tile, min(_WIDEST, width // each - 1), shaded) for tile in tiles]
        beside = drawn[0] if each == 1 else [[*left, Span(" "), *right] for left, right in zip(*drawn, strict=True)]
        blocks.append([*beside, *_caption(sample, max(_LEAST_CAPTION, sum(cells(span.text) for span in beside[0])), ascii)])
    return side_by_side(blocks, width)


def _caption(sample: Sample, width: int, ascii: bool) -> list[Row]:
    lines: list[Row] = []
    if sample.truth or sample.predicted:
        lines.append(_said(sample, width, ascii))
    lines.append([Span(shorten(_measured(sample, ascii), width, ascii), "value")])
    return lines


def _said(sample: Sample, width: int, ascii: bool) -> Row:
    truth, predicted = printable(sample.truth), printable(sample.predicted)
    if truth == predicted:
        return [Span(shorten(f"{truth}, right", width, ascii), "good")]
    mark = f"{_SURE} " if "sure" in sample.why else ""
    return [Span(shorten(f"{mark}{truth}, said {predicted}", width, ascii), "bad" if sample.share is not None else "value")]


def _measured(sample: Sample, ascii: bool) -> str:
    share = "" if sample.share is None else f"{' - ' if ascii else ' · '}{format.percent(sample.share)}"
    return f"loss {_number(sample.loss)}{share}"


def _number(value: float | None) -> str:
    return "nan" if value is None else f"{value:.3g}"


def _text(sample: Sample, width: int, ascii: bool) -> list[Row]:
    """What the model read, what came next, and what it said; wrong characters stand out, and are marked below."""
    room = max(width - 6, 1)
    read, truth, said = (_shown(text, ascii)[:room] for text in (sample.input, sample.truth, sample.predicted))
    wrong = [a != b for a, b in zip(truth, said, strict=False)]
    spans = [Span(char, "bad" if bad else "good") for char, bad in zip(said, wrong, strict=False)]
    marks = "".join("^" if bad else " " for bad in wrong)
    return [
        [Span(_measured(sample, ascii), "name")],
        [Span("read  ", "dim"), Span(read, "value")],
        [Span("next  ", "dim"), Span(truth, "value")],
        [Span("said  ", "dim"), *spans],
        [Span("      "), Span(marks.rstrip(), "bad")],
    ]


def _shown(text: str, ascii: bool) -> str:
    return printable(text.translate(_ASCII_VISIBLE if ascii else _VISIBLE))


def _table(found: Samples, chosen: Sequence[Sample], width: int, ascii: bool) -> list[Row]:
    """One sample a row; the columns that do not fit are counted."""
    classes = any(sample.share is not None for sample in chosen)
    head = ["", "truth", "said", "loss", *(["share"] if classes else [])]
    body = [_cells(sample, classes, ascii) for sample in chosen]
    names = [printable(name) for name in found.columns]
    widths = [max(cells(row[at]) for row in [head, *body]) for at in range(len(head))]
    left = width - sum(widths) - 2 * len(widths)
    columns: list[tuple[str, list[str]]] = []
    for at, name in enumerate(names):
        shown = [_number(sample.cells[at]) if at < len(sample.cells) else "" for sample in chosen]
        wide = max(min(cells(name), _WIDEST_NAME), *map(len, shown), 1)
        if left < wide + 2:
            break
        left -= wide + 2
        columns.append((shorten(name, wide, ascii).rjust(wide), [text.rjust(wide) for text in shown]))
    rows: list[Row] = [[Span(_joined(head, widths, [name for name, _ in columns]), "header")]]
    for at, sample in enumerate(chosen):
        style = "bad" if classes and sample.truth != sample.predicted else "value"
        rows.append([Span(_joined(body[at], widths, [shown[at] for _, shown in columns]), style)])
    if len(columns) < len(names):
        rows.append([Span(shorten(f"and {len(names) - len(columns)} more columns", width, ascii), "dim")])
    return rows


def _cells(sample: Sample, classes: bool, ascii: bool) -> list[str]:
    mark = _SURE if "sure" in sample.why else ""
    share = [format.percent(sample.share or 0.0)] if classes else []
    truth, predicted = (shorten(printable(text), _WIDEST_NAME, ascii) for text in (sample.truth, sample.predicted))
    return [mark, truth, predicted, _number(sample.loss), *share]


def _joined(fixed: Sequence[str], widths: Sequence[int], more: Sequence[str]) -> str:
    padded = [" " * (width - cells(text)) + text for text, width in zip(fixed, widths, strict=True)]
    return "  ".join([*padded, *more])
