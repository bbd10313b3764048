"""Chooses the examples of a validation that are worth a look, and makes a record of them: inputs, truth, prediction, loss.

Keeps, of all that it is given, only the examples with the highest loss and those that are wrong with the most confidence, on
their device. Draws no random numbers and changes nothing, so training goes on as without it. Runs on the training thread.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from msgspec.structs import replace
from torch import Tensor, nn
from torch.nn import functional

from tuimon.log import pictures, wire
from tuimon.log.samples import LONGEST, MOST, MOST_CLASSES, MOST_COLUMNS, PREFIX, Sample, Samples, Why, encode
from tuimon.log.samples import Plane as Drawn
from tuimon.monitor.plane import Plane, Say

USUAL = 12  # examples of each kind
_RATE = 8  # of n validations, 8 ln n are kept
_LARGEST = 64  # pixels of a picture's side; larger ones are made smaller
_MOST_FILTERS = 64

Undo = Callable[[Tensor], Tensor]


class Examples(NamedTuple):
    """Some examples: each tensor is [N, …], all on one device.

    Attributes:
        place: where they are in the split.
        inputs: what the model got.
        targets: class numbers [N] or [N, T], or values [N, K].
        outputs: scores of classes [N, C] or [N, T, C], or values [N, K].
        losses: [N].
    """

    place: Tensor
    inputs: Tensor
    targets: Tensor
    outputs: Tensor
    losses: Tensor

    def at(self, chosen: Tensor) -> Examples:
        """Some of the examples."""
        return Examples(*(part.index_select(0, chosen) for part in self))


class Chooser:
    """The examples of one validation that are worth a look.

    Args:
        most: how many of each kind to keep.
        classes: names of the classes; numbers when left out. Of text, the character of each number.
        columns: names of a table's columns.
        undo: turns inputs [N, …] back to what they were before scaling.
        undo_targets: the same for values [N, K], of targets and outputs.
        say: the model, for inputs of two numbers [N, 2], which get a picture of what it says everywhere.
        report: told of an error, after which nothing more is kept; None: errors are raised.
    """

    def __init__(
        self,
        most: int = USUAL,
        classes: Sequence[str] = (),
        columns: Sequence[str] = (),
        undo: Undo | None = None,
        undo_targets: Undo | None = None,
        say: Say | None = None,
        report: Callable[[str, Exception], None] | None = None,
    ) -> None:
        self._report = report
        self._failed = False
        self._most = min(most, MOST // 2)
        self._classes, self._columns, self._undo, self._undo_targets = classes, columns, undo, undo_targets
        self._plane = Plane(say) if say else None
        self._kept: dict[Why, Examples] = {}
        self.seen = 0

    @torch.no_grad()
    def add(self, inputs: Tensor, targets: Tensor, outputs: Tensor, losses: Tensor | None = None) -> None:
        """Adds a batch, [B, …] each; without losses: cross-entropy of class numbers, else the mean squared error."""
        try:
            if not self._failed:
                self._add(inputs, targets, outputs, losses)
        except Exception as error:
            if self._report is None:
                raise
            self._failed = True
            self._report("samples", error)

    def _add(self, inputs: Tensor, targets: Tensor, outputs: Tensor, losses: Tensor | None) -> None:
        outputs = outputs.detach().float()
        losses = each_loss(outputs, targets) if losses is None else losses.detach().float()
        index = torch.arange(self.seen, self.seen + len(losses), device=losses.device)
        self.seen += len(losses)
        new = Examples(index, inputs.detach(), targets.detach(), outputs, losses)
        self._keep("worst", new, lambda some: some.losses.nan_to_num(nan=math.inf))
        if self._plane is not None:
            self._plane.add(inputs, targets, outputs)
        if _are_classes(targets) and targets.ndim == 1:
            self._keep("sure", new, _wrong_share)

    def record(self, split: str, model: nn.Module | None = None) -> tuple[str, str, bytes]:
        """The tag, text and pictures of a record; with a model, of its first layer's weights, too."""
        found = Samples(of=self.seen, samples=())
        images = b""
        if chosen := self._chosen():
            examples, why = chosen
            if self._undo_targets is not None:
                targets, outputs = (self._undo_targets(part) for part in (examples.targets, examples.outputs))
                examples = examples._replace(targets=targets, outputs=outputs)
            inputs = examples.inputs if self._undo is None else self._undo(examples.inputs)
            shown = _picture_shape(inputs)
            samples = tuple(self._sample(examples, inputs, place, why, shown is not None) for place in range(len(why)))
            found = Samples(of=self.seen, samples=samples)
            if shown is not None:
                found, images = self._with_pictures(found, examples, inputs, split)
            elif examples.inputs.is_floating_point():
                found = replace(found, columns=self._names(inputs.flatten(1).shape[1]))
            if model is not None and shown is not None:
                found, more = _with_weights(found, model, tuple(inputs.shape[1:]))
                images += more
            if self._plane is not None:
                found, more = self._with_plane(found, self._plane, split)
                images += more
        return PREFIX + split, encode(found), images

    def _keep(self, why: Why, new: Examples, score: Callable[[Examples], Tensor]) -> None:
        kept = self._kept.get(why)
        both = new if kept is None else Examples(*(torch.cat(pair) for pair in zip(kept, new, strict=True)))
        scores = score(both)
        best = scores.topk(min(self._most, len(scores)))
        self._kept[why] = both.at(best.indices[best.values >= 0])

    def _chosen(self) -> tuple[Examples, list[tuple[Why, ...]]] | None:
        """The examples that were kept, each once, on the CPU, those with the highest loss first; and why."""
        groups = {why: examples for why, examples in self._kept.items() if len(examples.place)}
        if not groups:
            return None
        together = Examples(*(torch.cat(parts).cpu() for parts in zip(*groups.values(), strict=True)))
        reasons: dict[int, list[Why]] = {}
        first: dict[int, int] = {}
        names = [why for why, examples in groups.items() for _ in range(len(examples.place))]
        for place, (index, why) in enumerate(zip(together.place.tolist(), names, strict=True)):
            reasons.setdefault(index, []).append(why)
            first.setdefault(index, place)
        losses = together.losses.nan_to_num(nan=math.inf).tolist()
        order = sorted(first.values(), key=lambda place: -losses[place])
        examples = together.at(torch.tensor(order))
        return examples, [tuple(reasons[index]) for index in examples.place.tolist()]

    def _sample(self, examples: Examples, inputs: Tensor, place: int, why: Sequence[tuple[Why, ...]], pictured: bool) -> Sample:
        loss = float(examples.losses[place])
        truth, predicted, share = self._told(examples.targets[place], examples.outputs[place])
        input_ = ""
        cells: tuple[float | None, ...] = ()
        if not pictured and not inputs.is_floating_point():
            input_ = self._text(inputs[place])
        elif not pictured:
            cells = tuple(_finite(value) for value in inputs[place].flatten()[:MOST_COLUMNS].tolist())
        return Sample(
            index=int(examples.place[place]), why=why[place], truth=truth, predicted=predicted, loss=_finite(loss),
            share=share, input=input_, cells=cells,
        )  # fmt: skip

    def _told(self, target: Tensor, output: Tensor) -> tuple[str, str, float | None]:
        """Truth and prediction of one example in words, and the predicted class's share."""
        if not _are_classes(target):
            return _values(target), _values(output), None
        predicted, share = _predicted(output)
        if target.ndim:
            return self._text(target), self._text(predicted), _finite(float(share.mean()))
        return self._name(int(target)), self._name(int(predicted)), _finite(float(share))

    def _name(self, number: int) -> str:
        return self._classes[number] if 0 <= number < len(self._classes) else str(number)

    def _text(self, numbers: Tensor) -> str:
        return "".join(map(self._name, numbers.flatten()[:LONGEST].tolist()))

    def _names(self, count: int) -> tuple[str, ...]:
        names = self._columns if len(self._columns) == count else [str(number) for number in range(1, count + 1)]
        return tuple(names[:MOST_COLUMNS])

    def _with_pictures(self, found: Samples, examples: Examples, inputs: Tensor, split: str) -> tuple[Samples, bytes]:
        tiles = [inputs]
        if not _are_classes(examples.targets) and examples.outputs.flatten(1).shape[1] == inputs.flatten(1).shape[1]:
            back = examples.outputs.reshape(examples.inputs.shape)
            tiles.append(back if self._undo is None else self._undo(back))
            plain = tuple(replace(sample, truth="", predicted="") for sample in found.samples)
            found = replace(found, samples=plain, each=2)
        stacked = torch.stack(tiles, 1).flatten(0, 1)  # each input is followed by its reconstruction
        sheet, image = _sheet(_bytes(stacked, float(inputs.min()), float(inputs.max())), f"{pictures.PREFIX}{PREFIX}{split}")
        return replace(found, sheet=sheet), image

    def _with_plane(self, found: Samples, plane: Plane, split: str) -> tuple[Samples, bytes]:
        pixels, ranges = plane.draw()
        if self._undo is not None:
            corners = self._undo(torch.tensor(ranges).reshape(2, 2).T).T.flatten().tolist()
            ranges = (corners[0], corners[1], corners[2], corners[3])
        sheet, image = _sheet(pixels[None], f"{pictures.PREFIX}plane/{split}")
        classes = tuple(self._classes[:MOST_CLASSES])
        names = self._names(2)
        return replace(found, plane=Drawn(sheet, ranges, (names[0], names[1]), classes)), image


def each_loss(outputs: Tensor, targets: Tensor) -> Tensor:
    """The loss of each example [N]: cross-entropy of class numbers, else the mean squared error."""
    if not _are_classes(targets):
        return (outputs - targets.reshape(outputs.shape).float()).square().flatten(1).mean(1)
    if outputs.shape[-1] == 1:
        found = functional.binary_cross_entropy_with_logits(outputs[..., 0], targets.float(), reduction="none")
    else:
        found = functional.cross_entropy(outputs.flatten(0, -2), targets.flatten().long(), reduction="none")
    return found.reshape(len(targets), -1).mean(1)


def is_due(validations: int) -> bool:
    """Whether to keep samples of the validation with this number, from 1: often at first, then ever more rarely.

    Of n validations about 8 ln n are kept, so that a log of any length has a bounded part of them.
    """
    return validations < 2 or int(_RATE * math.log(validations)) > int(_RATE * math.log(validations - 1))


def _are_classes(targets: Tensor) -> bool:
    return not targets.is_floating_point()


def _predicted(outputs: Tensor) -> tuple[Tensor, Tensor]:
    """The class of the highest score, and its share, [...]; a single output is the logit of the second class."""
    if outputs.shape[-1] == 1:
        second = outputs[..., 0].sigmoid()
        return (second > 0.5).long(), torch.maximum(second, 1 - second)
    share, predicted = outputs.softmax(-1).max(-1)
    return predicted, share


def _wrong_share(examples: Examples) -> Tensor:
    """What each example's wrong class got, [N]; -1 if it is right."""
    predicted, share = _predicted(examples.outputs)
    return torch.where(predicted == examples.targets, -1.0, share.nan_to_num(nan=-1.0))


def _picture_shape(inputs: Tensor) -> tuple[int, int, int] | None:
    """Channels, height and width, if inputs [N, C, H, W] are pictures in grey or in colour."""
    shape = tuple(inputs.shape[1:])
    return shape if len(shape) == 3 and shape[0] in (1, 3) and min(shape[1:]) >= 2 and inputs.is_floating_point() else None


def _bytes(images: Tensor, low: float, high: float) -> Any:
    """Pictures [N, C, H, W] with values from low to high as bytes [N, H, W, C], at most `_LARGEST` a side."""
    if max(images.shape[2:]) > _LARGEST:
        scale = _LARGEST / max(images.shape[2:])
        height, width = (max(round(side * scale), 1) for side in images.shape[2:])
        images = functional.adaptive_avg_pool2d(images, (height, width))
    spread = high - low if high > low and math.isfinite(high - low) else 1.0
    grey = ((images.nan_to_num() - low) / spread * 255).round().clamp(0, 255)
    return grey.to(torch.uint8).permute(0, 2, 3, 1).numpy()


def _sheet(tiles: Any, tag: str) -> tuple[pictures.Sheet, bytes]:
    pixels, sheet = pictures.lay_out(np.ascontiguousarray(tiles), tag)
    height, width, channels = pixels.shape
    return sheet, wire.image_value(tag, height, width, channels, pictures.encode(pixels))


def _with_weights(found: Samples, model: nn.Module, shape: tuple[int, ...]) -> tuple[Samples, bytes]:
    """Adds the weights of the first layer, as one picture a unit, if they are as large as the inputs or a convolution's."""
    for name, module in model.named_modules():
        weight = getattr(module, "weight", None)
        if isinstance(module, nn.Conv2d | nn.Linear) and isinstance(weight, Tensor):
            filters = _filters(weight.detach()[:_MOST_FILTERS].float().cpu(), shape)
            if filters is None:
                return found, b""
            largest = float(filters.abs().nan_to_num(posinf=0.0).max()) or 1.0
            sheet, image = _sheet(_bytes(filters, -largest, largest), f"{pictures.PREFIX}weights/{name}")
            return replace(found, layer=name, weights=sheet), image
    return found, b""


def _filters(weight: Tensor, shape: tuple[int, ...]) -> Tensor | None:
    if weight.ndim == 4:
        return weight if weight.shape[1] in (1, 3) and min(weight.shape[2:]) >= 2 else None
    return weight.reshape(-1, *shape) if weight.shape[1] == math.prod(shape) else None


def _values(values: Tensor) -> str:
    shown = [f"{value:.4g}" for value in values.flatten()[:4].tolist()]
    return ", ".join([*shown, *(["…"] if values.numel() > 4 else [])])


def _finite(value: float) -> float | None:
    """A number of few digits; None if it is not finite."""
    return float(f"{value:.5g}") if math.isfinite(value) else None


def as_examples(inputs: Any, targets: Any, outputs: Any, losses: Any) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """A script's arrays as tensors, with pictures [N, H, W] as [N, 1, H, W] and bytes as numbers with a fraction.

    Raises:
        ValueError: they are not of the same length.
    """
    given = [torch.as_tensor(part).detach() for part in (inputs, targets, outputs)]
    inputs, targets, outputs = given
    if inputs.ndim == 3 and (inputs.is_floating_point() or inputs.dtype == torch.uint8):
        inputs = inputs[:, None]
    if inputs.ndim == 4 and not inputs.is_floating_point():
        inputs = inputs.float()
    if not _are_classes(targets) and targets.ndim == 1:
        targets, outputs = targets[:, None], outputs.reshape(len(targets), -1)
    lengths = {len(part) for part in (inputs, targets, outputs)}
    if len(lengths) > 1:
        raise ValueError(f"inputs, targets and outputs have {len(inputs)}, {len(targets)} and {len(outputs)} rows")
    return inputs, targets, outputs, None if losses is None else torch.as_tensor(losses).detach().reshape(-1)
