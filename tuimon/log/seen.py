"""The samples of one validation with their pictures, as a viewer needs them, out of a store. Pure functions; numpy."""

from __future__ import annotations

from typing import NamedTuple

from tuimon.log.pictures import Pixels, Sheet, cut_out, decode
from tuimon.log.samples import PREFIX, Samples
from tuimon.log.samples import decode as decode_samples
from tuimon.log.store import Store


class Seen(NamedTuple):
    """The samples of one validation.

    Attributes:
        split: what was validated on.
        step: when.
        samples: the examples.
        pictures: [N × each, H, W, channels], in the order of the samples; None if there are none, or they cannot be read.
        weights: [units, H, W, channels] of the first layer; grey is zero.
        plane: [1, H, W, 3], what the model says at every place.
    """

    split: str
    step: int
    samples: Samples
    pictures: Pixels | None = None
    weights: Pixels | None = None
    plane: Pixels | None = None


def seen_in(store: Store, step: int | None = None) -> Seen | None:
    """The samples of the latest validation at or before a step; None if there are none."""
    records = [record for tag, texts in store.texts.items() if tag.startswith(PREFIX) for record in texts]
    for record in sorted(records, key=lambda one: one.step, reverse=True):
        found = decode_samples(record.text) if step is None or record.step <= step else None
        if found is not None:
            tiles = _tiles(store, found.sheet, record.step)
            if tiles is not None and len(tiles) != found.each * len(found.samples):
                tiles = None
            weights = _tiles(store, found.weights, record.step)
            plane = _tiles(store, found.plane.sheet, record.step) if found.plane else None
            return Seen(record.tag.removeprefix(PREFIX), record.step, found, tiles, weights, plane)
    return None


def _tiles(store: Store, sheet: Sheet | None, step: int) -> Pixels | None:
    """The pictures of a sheet at a step; None if there is none, or what is there cannot be read."""
    png = next((one.png for one in store.pictures.get(sheet.tag, ()) if one.step == step), None) if sheet else None
    if png is None or sheet is None:
        return None
    try:
        return cut_out(decode(png), sheet)
    except (ValueError, MemoryError):
        return None
