"""Rows of spans: cut, padded, written over, shortened."""

import pytest

from tuimon.viewer.draw.rows import Span, cells, clip, cut, fit, overlay, printable, runs, shorten, text_of, width_of

ROW = [Span("abc", "x"), Span("def", "y")]


def test_a_row_is_cut_or_padded_to_its_width():
    """It has exactly as many cells as requested and keeps its styles."""
    assert fit(ROW, 4) == [Span("abc", "x"), Span("d", "y")]
    assert text_of(fit(ROW, 8)) == "abcdef  "
    assert fit(ROW, 0) == []


def test_a_row_that_loses_words_says_so():
    """The last cell marks the cut; losing only spaces is not marked."""
    assert clip(ROW, 5) == [Span("abc", "x"), Span("d", "y"), Span("…", "y")]
    assert text_of(clip(ROW, 5, ascii=True)) == "abcd~"
    assert clip([*ROW, Span("  ")], 6) == ROW
    assert text_of(clip(ROW, 8)) == "abcdef  "
    assert clip(ROW, 0) == [] and text_of(clip(ROW, 1)) == "…"


def test_text_is_written_over_a_row():
    """It replaces the cells below it; the rest keeps its style, and what does not fit is cut."""
    assert overlay(ROW, 2, "XY", "m") == [Span("ab", "x"), Span("XY", "m"), Span("ef", "y")]
    assert text_of(overlay(ROW, 5, "XYZ", "m")) == "abcdeX"
    assert text_of(overlay(ROW, -1, "XYZ", "m")) == "YZcdef"
    assert overlay(ROW, 6, "XYZ", "m") == ROW


def test_cells_of_one_style_are_one_span():
    """Neighbours with the same style are merged."""
    assert runs("aabb", ["x", "x", "y", "x"]) == [Span("aa", "x"), Span("b", "y"), Span("b", "x")]


def test_names_are_shortened_in_the_middle():
    """Both ends stay, and the result fits any width."""
    assert shorten("encoder.layer.11.output", 11) == "encod…utput"
    assert shorten("encoder.layer.11.output", 11, ascii=True) == "encod~utput"
    assert shorten("fc1", 3) == "fc1"
    assert [len(shorten("encoder", width)) for width in range(8)] == list(range(8))


def test_wide_characters_take_two_cells():
    """A Chinese name does not shift the columns after it; half a character is a space."""
    name = "层-模型🎉"
    assert [cells(text) for text in (name, "größe", "e\u0301", "⠒█…→")] == [9, 5, 1, 4]
    row = [Span(name), Span("ab")]
    assert [text_of(fit(row, width)) for width in (3, 4, 10, 12)] == ["层-", "层- ", "层-模型🎉a", "层-模型🎉ab "]
    assert all(cells(shorten(name, width)) <= width for width in range(10)) and shorten(name, 6) == "层…🎉"
    assert text_of(overlay(row, 9, "X", "m")) == "层-模型🎉Xb"
    assert width_of(clip([Span(name)], 5)) == 5


@pytest.mark.parametrize("name", ["a\x1b[31mb", "tab\tnew\nline", "é\x1b]0;title\x07", "日\x9b"])
def test_a_control_character_takes_the_cell_that_its_sign_takes(name):
    """What follows an odd name stays in its column."""
    assert printable(name).isprintable()
    assert cells(name) == cells(printable(name))


@pytest.mark.parametrize(
    ("width", "shown"), [(40, "applied at step 7: lr"), (17, "applied at step…"), (8, "applied…"), (1, "…"), (0, "")]
)
def test_what_is_said_is_cut_at_its_end(width, shown):
    """The beginning of an answer contains the result."""
    assert cut("applied at step 7: lr", width) == shown
