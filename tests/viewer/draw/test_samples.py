"""Samples as rows: pictures in half-blocks, texts, tables."""

from __future__ import annotations

import numpy as np
import pytest

from tuimon.log.samples import Sample, Samples
from tuimon.log.seen import Seen
from tuimon.viewer.draw.pictures import picture, side_by_side
from tuimon.viewer.draw.rows import Span, cells, text_of, width_of
from tuimon.viewer.draw.samples import sample_rows

RED, BLUE = (255, 0, 0), (0, 0, 255)
WRONG = Sample(index=3, why=("worst", "sure"), truth="4", predicted="9", loss=4.5, share=0.97)
RIGHT = Sample(index=8, why=("worst",), truth="1", predicted="1", loss=0.5, share=0.6)


def lines(samples: Samples, width: int = 60, **options: object) -> list[str]:
    """The rows as text."""
    tiles = np.full((len(samples.samples) * samples.each, 8, 8, 1), 255, np.uint8) if samples.sheet else None
    return [text_of(row).rstrip() for row in sample_rows(Seen("val", 1200, samples, tiles), width, **options)]  # type: ignore[arg-type]


def pictured(*samples: Sample) -> Samples:
    """Samples with pictures."""
    from tuimon.log.pictures import Sheet

    return Samples(of=360, samples=samples, sheet=Sheet("pictures/x", 1, 1, 8, 8))


def test_a_cell_has_the_colours_of_two_pixels() -> None:
    """The upper one is the block's, the lower one its background's; equal neighbours share a span."""
    pixels = np.zeros((2, 16, 3), np.uint8)
    pixels[0], pixels[1], pixels[1, 8:] = RED, BLUE, RED
    assert picture(pixels, 40) == [[Span("▀" * 8, "pixel-ff0000-0000ff"), Span("▀" * 8, "pixel-ff0000-ff0000")]]


def test_a_small_picture_is_enlarged_and_a_large_one_thinned() -> None:
    """An odd number of rows gets a dark one below."""
    assert [width_of(row) for row in picture(np.zeros((3, 8, 1), np.uint8), 40)] == [16] * 3
    assert [width_of(row) for row in picture(np.zeros((5, 100, 1), np.uint8), 40)] == [34]


def test_without_colours_dark_and_bright_are_different_characters() -> None:
    """In ASCII."""
    pixels = np.repeat(np.array([[[0], [255]]], np.uint8), 2, axis=0).repeat(8, axis=1)
    assert text_of(picture(pixels, 40, shaded=True)[0]) == " " * 8 + "@" * 8


def test_blocks_stand_beside_each_other_as_many_as_fit() -> None:
    """Of different heights, too."""
    block = [[Span("abcd")], [Span("ab")]]
    rows = [text_of(row).rstrip() for row in side_by_side([block, block[:1], block], 11)]
    assert rows == ["abcd  abcd", "ab", "", "abcd", "ab"]


def test_a_picture_is_told_with_truth_prediction_loss_and_share() -> None:
    """What is wrong and sure is marked; no more than asked for."""
    told = lines(pictured(WRONG, RIGHT), 80)
    assert told[:2] == [
        "2 of 360 samples of val at step 1 200, the highest losses first",
        "! wrong, and among those that the model was surest of",
    ]
    assert " ".join("  ".join(told[-2:]).split()) == "! 4, said 9 1, right loss 4.5 · 97 % loss 0.5 · 60 %"
    assert "1, right" not in "\n".join(lines(pictured(WRONG, RIGHT), most=1))


def test_a_text_is_told_character_by_character() -> None:
    """Line breaks are visible, wrong characters are marked."""
    sample = Sample(index=0, why=("worst",), truth="b\nc", predicted="b\nd", loss=1.25, share=0.5, input="ab\n")
    told = lines(Samples(of=9, samples=(sample,)))
    assert told[2:] == ["loss 1.25 · 50 %", "read  ab¶", "next  b¶c", "said  b¶d", "        ^"]
    assert lines(Samples(of=9, samples=(sample,)), ascii=True)[4] == "next  b$c"


def test_a_table_counts_the_columns_that_do_not_fit() -> None:
    """One sample a row."""
    sample = Sample(index=0, why=("worst",), truth="151", predicted="120.5", loss=None, cells=(1.5, None, 3.0))
    found = Samples(of=9, samples=(sample,), columns=("age", "sex", "a column with a long name"))
    assert lines(found, 40)[2:] == ["  truth   said  loss  age  sex", "    151  120.5   nan  1.5  nan", "and 1 more columns"]


@pytest.mark.parametrize("width", [1, 7, 20, 80, 200])
@pytest.mark.parametrize("ascii", [True, False])
def test_whatever_a_log_says_is_drawn_within_the_width(width: int, ascii: bool) -> None:
    """Names may be wide, or control characters."""
    odd = Sample(index=0, why=("sure",), truth="漢字" * 50, predicted="\x1b[2J", loss=1e300, share=1.0, input="\x07" * 90)
    table = Samples(of=1, samples=(odd,), columns=("\x1b", "漢字"))
    for found in (pictured(odd, WRONG), table, Samples(of=1, samples=(odd,))):
        for row in sample_rows(Seen("v" * 99, 1, found, pictures_of(found)), width, ascii=ascii, shaded=ascii):
            assert all(span.text.isprintable() for span in row)
            assert width < 20 or cells(text_of(row).rstrip()) <= width


def pictures_of(found: Samples) -> np.ndarray | None:
    """Dark pictures, if there is a sheet."""
    return np.zeros((len(found.samples), 8, 8, 1), np.uint8) if found.sheet else None


def test_a_plane_comes_first_with_its_axes_and_colours() -> None:
    """Names and ranges of the inputs; the classes beside their colours, which are left out where there are none."""
    from tuimon.log.pictures import Sheet
    from tuimon.log.samples import Plane

    plane = Plane(Sheet("pictures/plane/val", 1, 1, 4, 20), (-1.5, 2.0, 0.0, 10.0), ("width", "height"), ("oak", "elm"))
    samples = Samples(of=9, samples=(WRONG,), columns=("width", "height"), plane=plane)
    seen = Seen("val", 5, samples, plane=np.zeros((1, 4, 20, 3), np.uint8))
    coloured, plain = (sample_rows(seen, 90, shaded=shaded) for shaded in (False, True))
    told = [text_of(row).rstrip() for row in coloured]
    assert told[3:5] == ["▀" * 20] * 2
    assert told[5] == "across: width from -1.50 to 2.00; up: height from 0 to 10.0"
    assert told[6] == "▀▀ oak  ▀▀ elm  dots: examples, white where the model is wrong"
    assert text_of(plain[6]).rstrip() == "dots: examples, white where the model is wrong"
