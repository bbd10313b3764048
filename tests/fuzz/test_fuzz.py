"""The short form of `make fuzz`: a thousand inputs for each edge, all that were ever found, and a few that are very large."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import pytest

from fuzz.fuzzing import CORPUS, corpus, fuzz, problem, shrunk
from fuzz.targets import TARGETS, check_file, check_texts
from tuimon.log import wire

_HUGE_S = 10.0  # of processor time for what takes about one


@pytest.mark.parametrize("name", TARGETS)
def test_generated_inputs_neither_fail_nor_hang_nor_grow(name: str) -> None:
    """The same ones each time."""
    outcome = fuzz(TARGETS[name], 1_000, start=0)
    assert outcome.inputs >= 1_000
    assert not outcome.found, outcome.found


@pytest.mark.parametrize(
    "path", [path for name in TARGETS for path in corpus(name)], ids=lambda path: f"{path.parent.name}-{path.name}"
)
def test_what_was_once_found_stays_mended(path: Path) -> None:
    """Each file of the corpus."""
    assert problem(TARGETS[path.parent.name], path.read_bytes()) == ""


def test_every_file_of_the_corpus_has_a_target() -> None:
    """And is read, therefore."""
    assert {path.name for path in CORPUS.iterdir()} <= set(TARGETS)


def test_a_find_is_made_smaller_and_stays_one() -> None:
    """As much is left out as can be."""
    assert shrunk(b"a" * 500 + b"x" + b"b" * 300, lambda data: b"x" in data) == b"x"


def test_an_input_that_is_too_slow_or_fails_is_a_find() -> None:
    """Else nothing above would mean anything."""
    assert problem(TARGETS["keys"]._replace(check=lambda data: sum(range(20_000_000))), b"") == "TooSlow in fuzzing.py:_problem"
    assert problem(TARGETS["keys"]._replace(check=lambda data: 1 / 0), b"").startswith("ZeroDivisionError in test_fuzz.py")


@pytest.mark.parametrize(
    "data",
    [
        b"\xff" * 1_000_000,
        b"".join(wire.frame(wire.event(1.0, i, wire.scalar_value(f"t/{i}", i))) for i in range(10_000)),
        wire.frame(wire.event(1.0, 1, b"".join(wire.scalar_value(f"t/{i}", i) for i in range(10_000)))),
        wire.frame(b"\x09" + bytes(8) + b"\x10" + b"\xff" * 1_000_000),
        wire.frame(wire.event(1.0, 1, wire.field(1, b"\x0a" + b"\xff" * 1_000_000))),
        b"".join(itertools.repeat(wire.frame(b""), 100_000)),
        b"".join(
            itertools.repeat(
                wire.frame(wire.event(1.0, 1, wire.text_value("tuimon/event", '{"kind":"notice","text":""}'))), 100_000
            )
        ),
    ],
    ids=["noise", "records of a tag", "tags of a record", "long step", "long length", "empty records", "events"],
)
def test_very_large_files_take_time_in_proportion(data: bytes) -> None:
    """A megabyte and more."""
    began = time.process_time()
    check_file(data)
    assert time.process_time() - began < 2 * _HUGE_S


@pytest.mark.parametrize(
    "data", [b"[" * 1_000_000, b'{"a":' * 200_000, b'"' + b"\\" * 1_000_001, b"9" * 1_000_000, b"{}" * 500_000]
)
def test_very_long_texts_take_time_in_proportion(data: bytes) -> None:
    """A megabyte of JSON that never ends."""
    began = time.process_time()
    check_texts(data)
    assert time.process_time() - began < _HUGE_S
