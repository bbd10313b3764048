"""Examples of a validation with what the model made of them, as a text of the log under `samples/val`, and pictures beside it.

Written by the training process, read by viewers; TensorBoard shows the text among the texts, and the pictures among the images.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from tuimon.log.pictures import Sheet
from tuimon.log.records import Count

PREFIX = "samples/"  # and the split
MOST = 64  # samples in a record
LONGEST = 400  # characters of a sample's text
MOST_COLUMNS = 64
MOST_CLASSES = 10  # that are named under a plane
COLOURS = (  # of the classes on a plane: Okabe and Ito's, which all eyes can tell apart, dark and bright in turns
    (0, 114, 178), (240, 228, 66), (213, 94, 0), (86, 180, 233), (0, 158, 115), (204, 121, 167), (230, 159, 0),
)  # fmt: skip

Why = Literal["worst", "sure"]
_Text = Annotated[str, Meta(max_length=4 * LONGEST)]


class Plane(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the model says at every place of a plane, for inputs of two numbers.

    Attributes:
        sheet: where its picture is.
        ranges: of the inputs: x from, to, y from, to.
        names: of the two inputs.
        classes: names of the classes, in the order of `COLOURS`; empty: values, dark is low.
    """

    sheet: Sheet
    ranges: tuple[float, float, float, float]
    names: tuple[_Text, _Text]
    classes: Annotated[tuple[_Text, ...], Meta(max_length=MOST_CLASSES)] = ()


class Sample(msgspec.Struct, frozen=True, omit_defaults=True):
    """One example.

    Attributes:
        index: its place in the split.
        why: `worst`: among those with the highest loss; `sure`: wrong, among those with the highest share for the wrong class.
        truth, predicted: the class or the value; of text, the characters that follow; empty if the picture says it.
        loss: None: not finite.
        share: what the model gave the predicted class, in [0, 1]; None where there are no classes.
        input: of text, the characters.
        cells: of a table, its values.
    """

    index: Count
    why: tuple[Why, ...]
    truth: _Text = ""
    predicted: _Text = ""
    loss: float | None = None
    share: float | None = None
    input: _Text = ""
    cells: Annotated[tuple[float | None, ...], Meta(max_length=MOST_COLUMNS)] = ()


class Samples(msgspec.Struct, frozen=True, omit_defaults=True):
    """Some examples of a split, those with the highest loss first.

    Attributes:
        of: how many examples the split has.
        samples: the examples.
        columns: of a table, the names of the cells.
        sheet: where each example's picture is; `each` in a row belong to one example: an input, and its reconstruction.
        each: pictures of an example.
        layer: whose weights are on the sheet `weights`, a picture for each unit.
        weights: a first layer's weights; grey is zero.
        plane: what the model says of all inputs, where these are two numbers.
    """

    of: Count
    samples: Annotated[tuple[Sample, ...], Meta(max_length=MOST)]
    columns: Annotated[tuple[_Text, ...], Meta(max_length=MOST_COLUMNS)] = ()
    sheet: Sheet | None = None
    each: Annotated[int, Meta(ge=1, le=2)] = 1
    layer: _Text = ""
    weights: Sheet | None = None
    plane: Plane | None = None


def encode(samples: Samples) -> str:
    """The text of a record."""
    return msgspec.json.encode(samples).decode()


def decode(text: str) -> Samples | None:
    """The samples of a text; None if the text is something else."""
    try:
        return msgspec.json.decode(text, type=Samples)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
