"""Which tags are meant, and which of them share a chart. Pure."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Collection, Iterable

from tuimon.base.errors import TuimonError
from tuimon.base.nearest import did_you_mean
from tuimon.diagnosis.evidence import LAYER_KINDS

_SPLITS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test", "eval": "eval",
}  # fmt: skip
_SPLIT = re.compile(rf"(?:^|(?<=[/_.\-]))({'|'.join(_SPLITS)})(?=$|[/_.\-])", re.IGNORECASE)
_RANK = {"train": 0, "val": 1, "eval": 2, "test": 3}
_FEW = 12  # tags that a message names
_MEASURED = (
    "system",
    "input",
    "output",
    "step",
    "aim",
    "model",
    "dead_units",
    *LAYER_KINDS,
)  # and a slash: by the monitor itself
_BESIDE = ("lr", "epoch", "throughput", "grad_cosine")  # logged with each step, but not what a run is watched for
_MOST_LAYERS = 6  # one per colour


def matching(pattern: str, tags: Iterable[str]) -> list[str]:
    """The tags that a word means: the tag itself, or those that fit it as a glob, or those below it (`loss` for `loss/val`)."""
    tags = list(tags)
    if pattern in tags:
        return [pattern]
    return [tag for tag in tags if fnmatch.fnmatchcase(tag, pattern)] or [tag for tag in tags if tag.startswith(f"{pattern}/")]


def chosen(patterns: Iterable[str], tags: Collection[str]) -> list[str]:
    """The tags that the patterns mean, each once, in the order of the patterns.

    Raises:
        TuimonError: a pattern means none; the text names the nearest tag.
    """
    found: dict[str, None] = {}
    for pattern in patterns:
        fitting = matching(pattern, tags)
        if not fitting:
            raise unknown(pattern, tags)
        found.update(dict.fromkeys(fitting))
    return list(found)


def unknown(pattern: str, tags: Collection[str]) -> TuimonError:
    """The error for a tag that is not there."""
    if not tags:
        return TuimonError(f"No tag {pattern!r}: no curves were logged.")
    named = sorted(tags)[:_FEW]
    more = f" and {len(tags) - _FEW} more" if len(tags) > _FEW else ""
    return TuimonError(f"No tag {pattern!r}{did_you_mean(pattern, tags)}.", f"Tags: {', '.join(named)}{more}.")


def split_of(tag: str) -> tuple[str, str]:
    """The metric and the split of a tag: (`loss`, `val`) for `loss/val`, `val_loss` and `validation/loss`; no split is ""."""
    found = _SPLIT.search(tag)
    if not found:
        return tag, ""
    metric = re.sub(r"([/_.\-])[/_.\-]+", r"\1", tag[: found.start()] + tag[found.end() :]).strip("/_.-")
    return (metric, _SPLITS[found[1].lower()]) if metric else (tag, "")


def by_chart(tags: Iterable[str], layers_together: bool = True) -> dict[str, tuple[str, ...]]:
    """Tags by the title of their chart.

    Those of one metric that differ in the split alone share one; so do the layers of one statistic (`grad_norm/…`), if they
    may. Of many layers, some are taken, evenly spread from the first to the last, and the title says so.
    """
    groups: dict[str, list[str]] = {}
    layers: dict[str, list[str]] = {}
    for tag in tags:
        kind, _, layer = tag.partition("/")
        if layers_together and layer and kind in LAYER_KINDS:
            layers.setdefault(kind, []).append(tag)
        else:
            groups.setdefault(split_of(tag)[0], []).append(tag)
    return _of_metrics(groups) | dict(_of_layers(kind, members) for kind, members in layers.items())


def _of_layers(kind: str, tags: list[str]) -> tuple[str, tuple[str, ...]]:
    if len(tags) == 1:
        return tags[0], (tags[0],)
    if len(tags) <= _MOST_LAYERS:
        return kind, tuple(tags)
    taken = (tags[round(index * (len(tags) - 1) / (_MOST_LAYERS - 1))] for index in range(_MOST_LAYERS))
    return f"{kind}, {_MOST_LAYERS} of {len(tags)} layers,", tuple(taken)


def _of_metrics(groups: dict[str, list[str]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for metric, members in groups.items():
        splits = {split_of(tag)[1] for tag in members}
        if len(members) > 1 and len(splits) == len(members):
            found[metric] = tuple(sorted(members, key=lambda tag: _RANK.get(split_of(tag)[1], -1)))
        else:
            found |= {tag: (tag,) for tag in members}
    return found


def part_of(tag: str, tags: Collection[str]) -> str:
    """What tells a tag from the others of its chart: its split, its layer, or itself."""
    kind, _, layer = tag.partition("/")
    together = len(tags) > 1 and kind in LAYER_KINDS
    return layer if together else split_of(tag)[1] or tag


def is_measured(tag: str) -> bool:
    """Whether tuimon's monitor logs this tag itself, beside what a training logs."""
    family, _, rest = tag.partition("/")
    return tag in _BESIDE or (bool(rest) and family in _MEASURED)
