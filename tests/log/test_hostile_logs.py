"""Logs that are damaged, or written to do harm: what cannot be read is said once, and all else is read in linear time."""

from __future__ import annotations

import itertools
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tuimon.base.outside import MAX_JSON_BYTES, MAX_NESTING, MalformedError, OtherError, json_decoder, nesting
from tuimon.base.process import Process
from tuimon.log import frames, histogram, wire
from tuimon.log.layout import MAX_TAG
from tuimon.log.reader import RunReader, read_part, read_run
from tuimon.log.records import Ended, Event, RunStarted
from tuimon.log.store import Store
from tuimon.log.writer import LogWriter

NOBODY = Process(host="elsewhere", boot_id="", pid=1, started=0.0)
DEEP = '{"kind":"notice","text":"x","more":' + "[" * 100_000 + "]" * 100_000 + "}"
BUSY_S = 5.0  # of processor time, for what takes a tenth of it: a loaded machine's caches are cold


def log_of(folder: Path, *messages: bytes) -> Path:
    """An event file with these messages, each behind a right checksum, between two good scalars."""
    folder.mkdir(exist_ok=True)
    path = folder / "events.out.tfevents.1"
    first, last = (wire.event(float(step), step, wire.scalar_value("x", step)) for step in (1, 2))
    path.write_bytes(b"".join(map(wire.frame, (first, *messages, last))))
    return path


def cpu_seconds(work: Callable[[], Any]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (wire.event(1.0, 1, wire.text_value("tuimon/event", DEEP)), f"nested deeper than {MAX_NESTING}"),
        (wire.event(1.0, 1, wire.text_value("tuimon/event", "{")), "truncated"),
        (b"\xff" * 30, "no message that is known"),
        (wire.event(1.0, 1, wire.scalar_value("t" * (MAX_TAG + 1), 1.0)), f"a tag of more than {MAX_TAG} characters"),
        (b"\x09" + bytes(8) + b"\x10" + b"\xff" * 1_000_000, "no message that is known"),
    ],
    ids=["deep", "no JSON", "no message", "long tag", "number without end"],
)
def test_what_cannot_be_decoded_is_said_with_its_place_and_all_else_is_read(
    tmp_path: Path, message: bytes, reason: str
) -> None:
    """Once, however many of them there are."""
    path = log_of(tmp_path / "run", *[message] * 3)
    found: list[Store] = []
    assert cpu_seconds(lambda: found.append(read_run(path))) < BUSY_S
    (store,) = found
    assert store["x"].steps.tolist() == [1, 2]
    (damage,) = store.damage
    assert reason in str(damage) and damage.left_out == 3
    assert damage.offset == frames.split(path.read_bytes()).starts[1]


def test_a_value_that_cannot_be_decoded_costs_no_other_of_its_record(tmp_path: Path) -> None:
    """Three values in a record, the middle one with too long a tag."""
    values = [wire.scalar_value(tag, 1.0) for tag in ("a", "t" * (MAX_TAG + 1), "b")]
    store = read_run(log_of(tmp_path / "run", wire.event(1.0, 1, b"".join(values))))
    assert sorted(store) == ["a", "b", "x"] and len(store.damage) == 1


def test_numbers_beyond_what_can_be_counted_are_no_events(tmp_path: Path) -> None:
    """A step of thirty digits would overflow wherever it is put into an array."""
    text = f'{{"kind":"ended","how":"finished","step":{"9" * 30}}}'
    store = read_run(log_of(tmp_path / "run", wire.event(1.0, 1, wire.text_value("tuimon/event", text))))
    assert store.ended is None and store.texts["tuimon/event"]


def test_nesting_is_counted_as_json_nests() -> None:
    """Not within strings, whatever they escape; brackets that do not belong together are the decoder's to refuse."""
    assert nesting("1") == 0 and nesting('{"a": [[1], {"b": 2}]}') == 3
    assert nesting(r'["[[[", "\"[[", "\\", [1]]') == 2
    for depth in (MAX_NESTING, MAX_NESTING + 1):
        text = "[" * depth + "]" * depth
        assert nesting(text) == depth
        if depth <= MAX_NESTING:
            json_decoder(Any)(text)
        else:
            with pytest.raises(MalformedError, match="nested deeper"):
                json_decoder(Any)(text)
    with pytest.raises(OtherError):
        json_decoder(Event)('{"kind":"of a later version"}')
    with pytest.raises(MalformedError, match="MiB"):
        json_decoder(Any)(" " * MAX_JSON_BYTES + "1")


def small_log(folder: Path) -> bytes:
    """A log with each kind of record, in 2 KB."""
    writer = LogWriter(folder, "run")
    writer.event(RunStarted(name="small", process=NOBODY))
    for step in range(1, 4):
        writer.scalars(step, {"loss/train": 1 / step, "lr": 0.1})
    writer.sample(3, {"grad_norm/fc": 2.0}, {"gradient/fc": histogram.of([0.1, -1.0])}, 5.0)
    writer.text(3, "note", "as others write")
    writer.event(Ended(how="finished", step=3), 3)
    writer.close()
    return writer.path.read_bytes()


def test_a_flip_anywhere_loses_what_it_hits_and_nothing_before_it(tmp_path: Path) -> None:
    """Each byte of a small log, each in turn another bit: no error, and the records before it are read."""
    whole = small_log(tmp_path / "whole")
    ends = np.cumsum(frames.split(whole).lengths + wire.FRAME_BYTES)
    path = tmp_path / "events.out.tfevents.flipped"
    for place in range(len(whole)):
        broken = bytearray(whole)
        broken[place] ^= 1 << place % 8
        path.write_bytes(broken)
        reader, records = RunReader(path), 0
        while found := reader.read():
            records += found.records
        reader.close()
        assert records >= np.searchsorted(ends, place, side="right")


def test_a_flip_behind_a_right_checksum_costs_no_other_record(tmp_path: Path) -> None:
    """As of a writer that is wrong: each byte of each message, each in turn another bit."""
    whole = small_log(tmp_path / "whole")
    found = frames.split(whole)
    messages = [whole[start : start + length] for start, length in zip(found.starts, found.lengths, strict=True)]
    path = tmp_path / "events.out.tfevents.wrong"
    for number, message in enumerate(messages):
        for place in range(len(message)):
            wrong = bytearray(message)
            wrong[place] ^= 1 << place % 8
            path.write_bytes(b"".join(map(wire.frame, [*messages[:number], bytes(wrong), *messages[number + 1 :]])))
            store, reader = Store(), RunReader(path)
            while batch := reader.read():
                store.apply(batch)
                assert batch.records == len(messages)
            assert not [damage for damage in reader.damage if not damage.left_out]
            reader.close()


def test_a_long_record_that_comes_in_small_pieces_is_looked_at_once(tmp_path: Path) -> None:
    """64 MiB in pieces of 16 KiB: joined and searched anew with each, they would be copied two thousand times over."""
    text = wire.event(1.0, 1, wire.text_value("note", "x" * (64 << 20)))
    reader = RunReader(log_of(tmp_path / "run", text))
    records = 0

    def read() -> None:
        nonlocal records
        while found := reader.read(16 << 10):
            records += found.records

    assert cpu_seconds(read) < BUSY_S
    assert records == 3
    reader.close()


def test_a_record_of_very_many_tags_is_decoded_at_once(tmp_path: Path) -> None:
    """Two records of 20,000 tags each, alike but for their values, and 10,000 records of one tag each."""
    wide = [wire.event(1.0, step, b"".join(wire.scalar_value(f"w/{i}", i) for i in range(20_000))) for step in (1, 2)]
    many = [wire.event(1.0, i, wire.scalar_value(f"m/{i}", i)) for i in range(10_000)]
    path = log_of(tmp_path / "run", *wide, *many)
    found: list[Store] = []
    assert cpu_seconds(lambda: found.append(read_run(path))) < BUSY_S
    assert len(found[0].series) == 30_001 and found[0]["w/19999"].steps.tolist() == [1, 2]


def test_events_by_the_hundred_thousand_are_read(tmp_path: Path) -> None:
    """In seconds, and each of them."""
    summary = wire.text_value("tuimon/event", '{"kind":"notice","text":"again"}')
    path = log_of(tmp_path / "run", *itertools.repeat(wire.event(1.0, 1, summary), 100_000))
    found: list[Store] = []
    assert cpu_seconds(lambda: found.append(read_run(path))) < 4 * BUSY_S
    assert len(found[0].events) == 100_000


def test_beginnings_of_records_without_a_record_do_not_hold_a_search_up(tmp_path: Path) -> None:
    """Half a million headers with right checksums, each of which claims all that follows: a glance gives up."""
    size = 8 << 20
    headers = []
    for place in range(0, size, 16):
        length = struct.pack("<Q", size - place)
        headers.append(length + wire.FOOTER.pack(wire.masked_crc(length)) + b"\xff" * 4)
    path = tmp_path / "events.out.tfevents.1"
    path.write_bytes(b"\xff" + b"".join(headers) + bytes(64))
    assert cpu_seconds(lambda: read_part(path, 1, size)) < BUSY_S
