"""The report of a run: complete by itself, as HTML and as text, and safe whatever the log says."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as tree
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from diagnosis_logs import LEVERS
from tuimon.base.process import this_process
from tuimon.cli.main import main
from tuimon.launcher.runs.status import Status
from tuimon.log.reader import read_run
from tuimon.log.records import Applied, Ended, Finding, Notice, Remedy, RunStarted
from tuimon.log.writer import LogWriter
from tuimon.paper.ink import Ink
from tuimon.paper.report_page import html_of
from tuimon.paper.report_text import text_of
from tuimon.paper.story import MOST_CHARTS, Story, story_of
from tuimon.viewer.draw.rows import cells

HOSTILE = (
    "</title></svg><script>alert(1)</script>\"'><img src=http://x.test/a onerror=alert(1)>{{ 7 * 7 }}{% raw %}\x1b[2J\u202e]]>"
)
VOID = {"meta", "img", "br", "link"}


class Page(HTMLParser):
    """What a browser would see: the elements with their attributes, the text, and whether elements close as they opened."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data + " "


def steered(folder: Path, words: str = "the words") -> Path:
    """A run that failed: two changes, of which one helped; every text that a log can have is `words`."""
    rng = np.random.default_rng(0)
    writer = LogWriter(folder, "run")
    config = {"lr": 0.1, words: words}
    started = RunStarted(name=words, process=this_process(), levers=LEVERS, steps_per_epoch=20, total_steps=900, diagnosis=1)
    writer.event(RunStarted(**{name: getattr(started, name) for name in started.__struct_fields__} | {"config": config}))
    for step in range(1, 601):
        level = 1.5 if step <= 200 else (0.5 if step <= 400 else 1.1)
        writer.scalars(step, {"loss/train": level + 0.05 * rng.normal(), words: float(step), "grad_norm/fc1": 0.1})
        if step in (200, 400):
            writer.event(Applied(step, "lr_scale", 1.0, 0.1, by=words, note=words), step)
    remedy = Remedy({"lr_scale": 0.1, words: words}, words)
    found = Finding(150, words, words, layer=words, severity="critical", raised=160, evidence={words: 1.5}, remedies=(remedy,))
    writer.event(found, 160)
    writer.event(Finding(20, "spikes", "it spiked", raised=30, cleared=90, explained_by=words), 30)
    writer.event(Notice(words, "warning", 5))
    writer.event(Ended("failed", words, 600))
    writer.close()
    trace = (
        f'Traceback (most recent call last):\n  File "/a/train.py", line 3, in step\n    call({words})\nRuntimeError: {words}\n'
    )
    (folder / "output.log").write_text(trace)
    return folder


def told(run: Path, status: Status) -> tuple[Story, str]:
    store = read_run(run)
    story = story_of(run.name, run, store, status)
    return story, html_of(story, store)


def test_the_page_tells_how_it_ended_what_was_found_and_what_changes_did(tmp_path: Path) -> None:
    """With the numbers of each, and every chart readable as SVG."""
    story, html = told(steered(tmp_path / "a run"), Status("failed", "RuntimeError: boom"))
    text = " ".join(Page(html).text.split())
    assert "a run failed state failed: RuntimeError: boom steps 600 of 900 epochs 30" in text
    assert "train.py:3 in step call(the words)" in text and "last step 600." in text
    assert (
        "critical · the words · since step 150" in text and "Measured: the words = 1.50" in text and "Try lr_scale=0.1" in text
    )
    assert "hint" not in text and "spikes · from step 20 to 90 · over" in text
    assert [(one.number, one.step, one.verdict) for one in story.changes] == [(1, 200, "helped"), (2, 400, "made it worse")]
    assert "1. At step 200, by the words: lr_scale 1 → 0.1 (the words) helped : loss/train 0.4" in text
    assert "lr 0.1" in text and "step 5: the words" in text
    pictures = [tree.fromstring(picture) for picture in re.findall(r"<svg.*?</svg>", html, re.DOTALL)]
    titles = [next(picture.iter("{http://www.w3.org/2000/svg}text")).text for picture in pictures]
    assert titles == [
        "loss/train by step",
        "loss/train by step",
        "loss/train by step",
        "the words by step",
        "grad_norm/fc1 by step",
    ]
    bands = [len(list(picture.iter("{http://www.w3.org/2000/svg}rect"))) for picture in pictures]
    assert bands == [0, 1, 1, 0, 0]


def test_nothing_that_a_log_says_becomes_part_of_the_page(tmp_path: Path) -> None:
    """No element, no attribute, no template; and what a browser could load or run is forbidden in the page itself."""
    plain, hostile = (
        told(steered(tmp_path / name, words), Status("failed", words))[1] for name, words in (("a", "x"), ("b", HOSTILE))
    )
    page = Page(hostile)
    assert page.elements == Page(plain).elements
    assert not {"script", "img", "link", "iframe", "object"} & set(page.elements)
    assert not [name for name, value in page.attributes if name.startswith("on") or name in ("src", "href")]
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in page.attributes
    assert "\x1b" not in hostile and "{{ 7 * 7 }}" in page.text and "49" not in re.findall(r"img src.{60}", page.text)[0]
    assert set(re.findall(r"https?://[\w.]+", hostile)) == {"http://www.w3.org", "http://x.test"}  # a namespace, and a text


def test_the_text_has_the_same_and_fits(tmp_path: Path) -> None:
    """At any width; in ASCII it has nothing else."""
    run = steered(tmp_path / "a run")
    store, status = read_run(run), Status("failed", "RuntimeError: boom")
    story = story_of(run.name, run, store, status)
    for columns in (60, 100):
        rows = text_of(story, store, columns, Ink())
        assert max(map(cells, rows[1:])) <= columns
        assert {
            "WHY IT FAILED",
            "LOSSES",
            "METRICS",
            "FINDINGS",
            "WHAT WAS CHANGED, AND WHAT IT DID",
            "CURVES",
            "WARNINGS",
        } <= set(rows)
    assert "    helped: loss/train " in "\n".join(rows) and "critical: the words, since step 150: the words" in rows
    assert "\n".join(text_of(story, store, 80, Ink(ascii=True))).isascii()


def test_other_programs_logs_have_a_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without losses, with values that are not finite, with many tags: what is missing is left out, what is more is counted."""
    writer = LogWriter(tmp_path / "foreign", "x")
    for step in range(20):
        writer.scalars(step, {f"m{tag}/a": float(step * tag) for tag in range(100)} | {"b": math.nan})
    writer.close()
    assert main(["report", str(tmp_path / "foreign"), "-o", str(tmp_path / "r.html")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'r.html'}\n"
    html = (tmp_path / "r.html").read_text()
    page = Page(html)
    assert html.count("<svg") == MOST_CHARTS and f"And {101 - MOST_CHARTS} more charts" in page.text
    assert "What was changed" not in page.text and "Why it failed" not in page.text
    assert main(["report", str(tmp_path / "foreign"), "--text"]) == 0
    assert capsys.readouterr().out.startswith("foreign\nstate ")


def test_the_file_is_named_after_the_run_and_replaced_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`-` is stdout; a run without a record is an error, and leaves no file."""
    writer = LogWriter(tmp_path / "runs" / "mine", "x")
    writer.scalars(1, {"loss": 1.0})
    writer.close()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.html").write_text("an older report")
    assert main(["report", "mine"]) == 0
    assert "<title>mine: " in (tmp_path / "mine.html").read_text() and capsys.readouterr().out.endswith("/mine.html\n")
    assert main(["report", "mine", "-o", "-"]) == 0 and capsys.readouterr().out.startswith("<!doctype html>")
    LogWriter(tmp_path / "runs" / "empty", "x").close()
    assert main(["report", "empty"]) == 1 and "its log is empty" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.html", "runs"]


def test_a_finding_keeps_only_numbers_that_json_can_hold(tmp_path: Path) -> None:
    """Else its record could not be read back, and the finding were lost."""
    writer = LogWriter(tmp_path, "run")
    writer.event(Finding(1, "plateau", "flat", raised=2, evidence={"loss": 1.5, "best": math.nan, "worst": math.inf}), 2)
    writer.close()
    (record,) = read_run(tmp_path).findings
    assert isinstance(record.event, Finding) and record.event.evidence == {"loss": 1.5}
