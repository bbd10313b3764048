"""The report before training, compared as rows of text."""

from __future__ import annotations

from tuimon.training.report import Line
from tuimon.viewer.draw.report import line_rows, total_row
from tuimon.viewer.draw.rows import text_of

FAILED = Line("symmetry", "fail", "257 of 266", "Units are copies of each other: start them at random.")


def rows(line: Line, width: int, ascii: bool = False) -> list[str]:
    return [text_of(row).rstrip() for row in line_rows(line, width, ascii)]


def test_a_text_stands_beside_its_line_or_below() -> None:
    """Below if there is no room beside it; a passed check never takes a second row."""
    head = "fail  symmetry                              257 of 266"
    assert rows(FAILED, 160) == [f"{head}              {FAILED.text}"]
    assert rows(FAILED, 80) == [head, f"        {FAILED.text}"]
    assert rows(FAILED, 40) == [head, "        Units are copies of each other:", "        start them at random."]
    assert rows(Line("first loss", "pass", "2.31", "chance is ln 10"), 70) == [
        "pass  first loss                            2.31"
    ]


def test_the_range_test_is_drawn_with_its_marks() -> None:
    """The x axis is the log of the rate; non-finite losses are gaps."""
    points = tuple((10.0**power, loss) for power, loss in [(-4, 2.3), (-3, 2.0), (-2, 1.0), (-1, 0.9), (0, None)])
    found = rows(Line("learning rate", "pass", "0.01", "", points, ((0.03, "suggested"), (0.1, "largest"))), 70, ascii=True)
    assert len(found) == 14 and all(len(row) <= 70 for row in found)
    assert "v suggested" in found[2] and "^ largest" in found[-3]
    assert found[-1].split() == ["1e-4", "0.001", "0.01", "0.1", "1"]
    assert found[-2].rstrip().endswith("x")


def test_a_range_test_without_a_finite_loss_is_drawn() -> None:
    """A message is drawn instead of a curve."""
    assert "no finite values" in "".join(rows(Line("learning rate", "fail", "", "", ((1e-6, None), (1e-5, None))), 70))


def test_the_sum_counts_and_says_what_comes_of_it() -> None:
    """Only verdicts that occur are counted."""
    assert text_of(total_row([FAILED, Line("a", "pass"), Line("b", "pass")])) == "2 pass, 1 fail. Fix the failures first."
    assert text_of(total_row([Line("a", "warn")])) == "1 warn. Look at the warnings before training."
