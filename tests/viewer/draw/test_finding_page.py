"""A finding's page as rows of text."""

from __future__ import annotations

from tuimon.viewer.draw.finding_page import Cure, Page, cures_at, lines
from tuimon.viewer.draw.rows import text_of

PAGE = Page(
    "fc1: 90 % of units have been dead since step 20",
    "critical",
    "seen from step 20 on, told at step 30",
    numbers=(("dead fraction", "0.9"),),
    meaning="Units give zero for every input. Leaky ReLU keeps them alive.",
    causes=("rate-too-high: each step moves the weights by 0.4",),
    effects=("plateau: the loss no longer falls",),
    cures=(
        Cure("rewind to the first checkpoint, lr_scale → 0.1", "back, and a tenth of each step", did=("helped: loss 1.2",)),
        Cure("activation → leaky_relu", "it lets dead units learn again", blocked="this run has no lever activation"),
    ),
    changes=("clip_norm at step 40 made it worse: loss 3",),
)


def test_a_page_from_top_to_bottom() -> None:
    """Sections in their order; what is empty has none; what a remedy did stands under it."""
    told = [text_of(line.row) for line in lines(PAGE, 60)]
    assert told == [
        "fc1: 90 % of units have been dead since step 20",
        "seen from step 20 on, told at step 30",
        "dead fraction 0.9",
        "",
        "what it means",
        "Units give zero for every input. Leaky ReLU keeps them",
        "alive.",
        "",
        "explained by",
        "rate-too-high: each step moves the weights by 0.4",
        "",
        "what it explains",
        "plateau: the loss no longer falls",
        "",
        "what may help",
        "1  rewind to the first checkpoint, lr_scale → 0.1",
        "   back, and a tenth of each step",
        "   helped: loss 1.2",
        "2  activation → leaky_relu",
        "   it lets dead units learn again",
        "   cannot be applied: this run has no lever activation",
        "",
        "what was changed since",
        "clip_norm at step 40 made it worse: loss 3",
    ]
    assert cures_at(lines(PAGE, 60)) == [15, 18]


def test_without_remedies_the_page_points_to_the_text() -> None:
    """And in ASCII no other characters are drawn."""
    told = [text_of(line.row) for line in lines(Page("a → b", "hint", "seen"), 40, ascii=True)]
    assert told[:4] == ["a -> b", "seen", "", "what may help"]
    assert " ".join(told[4:]) == "No lever can: it says above what to change."


def test_a_narrow_page_loses_nothing() -> None:
    """Every word is there, and no row is wider than asked."""
    rows = [text_of(line.row) for line in lines(PAGE, 24)]
    assert max(map(len, rows)) <= 24
    words = " ".join(rows).split()
    assert all(word in words for word in f"{PAGE.text} {PAGE.meaning} {PAGE.cures[0].why}".split())
