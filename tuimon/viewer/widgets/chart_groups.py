"""Groups tags into charts. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

_SIDES = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "eval": "val"}
_PARTS = re.compile(r"[/_.\- ]")
_RANK = {"loss": 0, "accuracy": 1, "lr": 2, "throughput": 3}
SYSTEM = "system/"  # read by the meters
_LEFT_OUT = "dead_units/"  # counts; `dead_fraction` shows the same for layers of any size
LAYER_KINDS = (
    "grad_norm",
    "update_ratio",
    "weight_norm",
    "dead_fraction",
    "saturated_fraction",
    "activation_min",
    "activation_max",
    "activation_mean",
    "activation_std",
    "negative_fraction",
    "unit_similarity",
    "identical_fraction",
)
DECADES = ("grad_norm", "update_ratio")  # these vanish or explode by powers of ten
NOISY = {"loss": 0.6, "accuracy": 0.6, "throughput": 0.9}  # these vary a lot from step to step
LOSS = ("loss", ("loss/train", "loss/val"))  # the title and tags of the first chart
EVIDENCE = "evidence"  # the heading of what the probe logs for the diagnosis: rarely read, and many
_EVIDENCE = {
    "grad_cosine",
    "model/training",
    *(f"input/{name}" for name in ("mean", "std", "abs_max", "constant_fraction", "scale_spread")),
    *(f"output/{name}" for name in ("mean", "std", "min", "max", "top_class_fraction", "probability_fraction", "batch_std")),
    *(f"step/{name}" for name in ("grad_before", "wait_fraction", "rows")),
}
_AIMS = "aim/"
_BY_THE_WAY = ("lr", "throughput", "epoch")  # logged automatically, but not what a run is watched for
MOST_LAYERS = 6  # one per colour


def grouped(tags: Collection[str], layers: Sequence[str] = (), most_layers: int = MOST_LAYERS) -> dict[str, tuple[str, ...]]:
    """Tags by chart, ordered.

    `loss/train` and `loss/val` share a chart called `loss`, and so do `train_loss` and `val_loss` of other programs. Layer
    statistics share one chart per kind, so that vanishing gradients show at a glance. Losses and accuracies come first, layers
    last.

    Args:
        tags: from one or more runs.
        layers: in the model's order; layers missing here come last.
        most_layers: per chart; if there are more, a subset is evenly spread from the first to the last.
    """
    pairs: dict[str, list[str]] = {}
    kinds: dict[str, list[str]] = {}
    twins = _twins(tags)
    for tag in sorted(tags):
        head, _, part = tag.rpartition("/")
        own = head if head and part in ("train", "val") else tag
        kind, _, layer = tag.partition("/")
        if layer and kind in LAYER_KINDS:
            kinds.setdefault(kind, []).append(layer)
        elif not tag.startswith(_LEFT_OUT):
            pairs.setdefault(own if own != tag else twins.get(tag, tag), []).append(tag)
    order = sorted(pairs, key=lambda title: (_rank(title), title))
    found = {title: tuple(pairs[title]) for title in order}
    for kind in (kind for kind in LAYER_KINDS if kind in kinds):
        chosen = spread(in_order(kinds[kind], layers), most_layers)
        found[kind] = tuple(f"{kind}/{layer}" for layer in chosen)
    return found


def side_of(tag: str) -> str:
    """`train` or `val` if a tag's first or last part says so, else an empty text."""
    parts = _PARTS.split(tag)
    return "" if len(parts) < 2 else _SIDES.get(parts[-1].lower(), "") or _SIDES.get(parts[0].lower(), "")


def _rank(title: str) -> int:
    return _RANK.get(title, 6 if prefix_of(title) == EVIDENCE else 5 if "/" in title else 4)


def prefix_of(title: str) -> str:
    """The heading under which a chart stands: what precedes the first slash of its title; empty if there is none."""
    if title in _EVIDENCE or title.startswith(_AIMS):
        return EVIDENCE
    return title.partition("/")[0] if "/" in title else ""


def smoothing_of(title: str) -> float:
    """How strongly a metric is smoothed at first."""
    return NOISY.get(title, NOISY["loss"] if "loss" in title.lower() else 0.0)


def _twins(tags: Collection[str]) -> dict[str, str]:
    """The chart of each tag of another program's training or validation, if both were logged: `train_loss` and `val_loss`."""
    rests: dict[str, dict[str, str]] = {}
    for tag in sorted(tags):
        side, rest = side_of(tag), _without_side(tag)
        if side and rest and rest not in tags:
            rests.setdefault(rest, {}).setdefault(side, tag)
    return {tag: rest for rest, sides in rests.items() if len(sides) == 2 for tag in sides.values()}


def _without_side(tag: str) -> str:
    """`train_loss`, `loss-train` and `train/loss` without `train`; empty if there is no such part."""
    marks = list(_PARTS.finditer(tag))
    if marks and tag[marks[-1].end() :].lower() in _SIDES:
        return tag[: marks[-1].start()]
    return tag[marks[0].end() :] if marks and tag[: marks[0].start()].lower() in _SIDES else ""


def first_chart(tags: Collection[str], loss: str) -> tuple[str, tuple[str, ...]]:
    """Title and tags of the first chart: `LOSS`, or in a log with other tags its loss or first metric.

    Args:
        tags: from one or more runs.
        loss: the tag of the training loss; empty if there is none.
    """
    if not tags or any(tag in tags for tag in LOSS[1]):
        return LOSS
    groups = grouped(tags)
    of_loss = [title for title in groups if loss and loss in groups[title]]
    others = [title for title in groups if title not in (*_BY_THE_WAY, *LAYER_KINDS)]
    title = next(iter(of_loss or others), None)
    return LOSS if title is None else (title, groups[title])


def in_order(names: Collection[str], layers: Sequence[str]) -> list[str]:
    """Names in the model's order, then names that are not in the model."""
    known = set(layers)
    return [layer for layer in layers if layer in names] + [name for name in names if name not in known]


def spread(names: Sequence[str], most: int) -> list[str]:
    """At most `most` of the names, evenly spread, including the first and the last."""
    if len(names) <= most:
        return list(names)
    if most < 2:
        return list(names[: max(most, 0)])
    return [names[round(index * (len(names) - 1) / (most - 1))] for index in range(most)]


def layer_labels(tags: Sequence[str]) -> list[str]:
    """The layers' names without their common path."""
    names = [tag.partition("/")[2] for tag in tags]
    parts = [name.split(".") for name in names]
    shared = 0
    while len(names) > 1 and all(len(one) > shared + 1 and one[shared] == parts[0][shared] for one in parts):
        shared += 1
    return [".".join(one[shared:]) for one in parts]
