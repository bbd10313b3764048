"""Damage between the places of a glance is found by checksums, within a limit of time."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuimon.launcher.runs.scan import Scan
from tuimon.launcher.runs.summary import summarize
from tuimon.log import wire
from tuimon.log.reader import read_run
from tuimon.log.writer import LogWriter

RECORDS = 20_000  # of 60 bytes: more than a glance reads


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The event file of a long log, all of whose records are as long as each other."""
    writer = LogWriter(tmp_path / "run", "run")
    for step in range(1 << 14, (1 << 14) + RECORDS):
        writer.scalars(step, {"loss/train": 1.0, "lr": 0.1}, wall_time=1.7e9)
    writer.close()
    return writer.path


def damage(path: Path, *places: int) -> None:
    """Flips a byte at each place."""
    data = bytearray(path.read_bytes())
    for place in places:
        data[place] ^= 0xFF
    path.write_bytes(data)


def far_from_any_place(path: Path) -> int:
    """An offset within a record's value that no glance reads."""
    size, record = path.stat().st_size, len(wire.frame(wire.version_event(0.0)))
    length = (size - record) // RECORDS
    return record + length * (size // 50 // length) * 7 + length - 6  # just before its checksum


@pytest.mark.parametrize("places", [1, 3])
def test_damage_in_the_middle_is_found_as_a_full_read_finds_it(log: Path, places: int) -> None:
    """The same place, number and bytes; a glance alone sees nothing of it."""
    first = far_from_any_place(log)
    damage(log, *(first + 5 * i * (log.stat().st_size // RECORDS) for i in range(places)))
    full = read_run(log.parent).damage
    assert len(full) == 1 and full[0].left_out >= 1
    assert summarize(log.parent).damage == ()
    assert summarize(log.parent, scan=Scan()).damage == tuple(full)


def test_a_file_that_cannot_be_read_on_is_told(log: Path) -> None:
    """A wrong length hides all records behind it."""
    record = (log.stat().st_size - 40) // RECORDS
    broken = next(
        i
        for i in range(far_from_any_place(log) - 2 * record, log.stat().st_size)
        if log.read_bytes()[i : i + 8] == (record - 16).to_bytes(8, "little")
    )
    damage(log, broken)
    full = read_run(log.parent).damage
    assert full[0].offset == broken and full[0].left_out == 0
    assert full[0] in summarize(log.parent, scan=Scan()).damage


def test_what_there_was_no_time_for_is_looked_at_next_time(log: Path) -> None:
    """And what was looked through is not looked at again, unless another file has its name."""
    damage(log, far_from_any_place(log))
    scan = Scan(0.0)
    assert scan.damage(log.parent) == ()
    scan.allow()
    (found,) = scan.damage(log.parent)
    scan.allow(0.0)
    assert scan.damage(log.parent) == (found,)
    assert scan.damage(log.parent, [found]) == (found,)
    log.write_bytes(log.read_bytes()[: log.stat().st_size // 2])
    scan.allow()
    assert scan.damage(log.parent) == (found,)


def test_a_log_that_grows_is_not_damaged(log: Path) -> None:
    """Its last record may not be whole yet, and may be larger than a piece."""
    whole = log.read_bytes()
    scan = Scan()
    log.write_bytes(whole[:-7])
    assert scan.damage(log.parent) == ()
    log.write_bytes(whole + wire.frame(wire.event(1.0, 1, wire.text_value("long", "x" * (9 << 20)))))
    scan.allow()
    assert scan.damage(log.parent) == ()
    damage(log, log.stat().st_size - 6)
    assert [found.left_out for found in Scan().damage(log.parent)] == [1]


def test_a_folder_that_is_gone_is_no_error(tmp_path: Path) -> None:
    """Its run's state says so."""
    assert Scan().damage(tmp_path / "nothing") == ()
