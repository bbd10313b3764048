"""Packed numbers are read as the scalars that they are, take little room, and do no harm."""

from __future__ import annotations

import json
import math
import zlib
from pathlib import Path

import numpy as np
import pytest

from tuimon.log import frames, packed, wire
from tuimon.log.packed import Packer
from tuimon.log.reader import RunReader, read_run
from tuimon.log.store import Store

TABLE = ("grad_norm", "weight_norm", "update_ratio", "saturated_fraction", "dead_units", "dead_fraction")
TAGS = [f"{kind}/{layer}" for kind in TABLE for layer in range(100)]


def sample(step: int) -> np.ndarray:
    """Norms of all sizes, and zeros."""
    numbers = np.random.default_rng(step).lognormal(-3, 2, len(TAGS))
    numbers[300:] = 0.0
    return numbers


def log_of(folder: Path, *records: tuple[int, bytes]) -> Path:
    """An event file with a record of each summary, at its step."""
    folder.mkdir(exist_ok=True)
    path = folder / "events.out.tfevents.1"
    path.write_bytes(b"".join(wire.frame(wire.event(100.0 + step, step, summary)) for step, summary in records))
    return path


def of_scalars(numbers: np.ndarray) -> bytes:
    return b"".join(wire.scalar_value(tag, number) for tag, number in zip(TAGS, numbers, strict=True))


def read(path: Path, piece: int) -> Store:
    reader, store = RunReader(path, brief=True), Store()
    while found := reader.read(piece):
        store.apply(found)
    store.damage = reader.damage
    reader.close()
    return store


def test_packed_numbers_are_scalars_to_every_reader(tmp_path: Path) -> None:
    """Whether read whole or in pieces, by a reader of all or of little, alone or between scalars: the same points in order."""
    packer, steps = Packer(TAGS), range(1, 80)
    mixed = [(i, of_scalars(sample(i)) if i % 10 == 3 else packer.value(sample(i))) for i in steps]
    plain = read_run(log_of(tmp_path / "plain", *[(i, of_scalars(sample(i))) for i in steps]))
    path = log_of(tmp_path / "mixed", *mixed)
    for store in (read_run(path), read(path, 1000)):
        assert store.series.keys() == plain.series.keys() and not store.problems() and store.step == 79
        for tag in TAGS:
            for column in ("steps", "walls", "values"):
                assert np.array_equal(getattr(store[tag], column), getattr(plain[tag], column))


def test_packed_numbers_take_a_tenth_of_the_room() -> None:
    """Their names included, of which every thirty-second record has a copy."""
    packer = Packer(TAGS)
    assert sum(len(packer.value(sample(i))) for i in range(64)) / 64 < len(of_scalars(sample(0))) / 10


def test_any_number_can_be_packed(tmp_path: Path) -> None:
    """What is none, infinite, beyond float32, or the same for all layers."""
    numbers = [math.nan, math.inf, -math.inf, 1e300, -1e300, 1e-300]
    same = Packer(TAGS).value(np.zeros(len(TAGS)))
    path = log_of(tmp_path / "run", (1, Packer(list("abcdef")).value(np.array(numbers))), (2, same))
    store = read_run(path)
    found = [store.last(tag) for tag in "abcdef"]
    assert math.isnan(found[0]) and found[1:] == [math.inf, -math.inf, math.inf, -math.inf, 0.0]
    assert not store.problems() and {store.last(tag) for tag in TAGS} == {0.0}


def test_a_lost_record_costs_no_more_than_those_until_the_names_come_again(tmp_path: Path) -> None:
    """A full disk, say, or a reader that begins within the log; nothing is called damaged that is whole."""
    packer = Packer(TAGS)
    records = [(i, packer.value(sample(i))) for i in range(1, 80)]
    store = read_run(log_of(tmp_path / "run", *records[1:]))
    assert store[TAGS[0]].steps.tolist() == list(range(33, 80)) and not store.problems()


def bomb(size: int) -> bytes:
    return zlib.compress(bytes(size))


def names(tags: object) -> bytes:
    return json.dumps(tags).encode()


@pytest.mark.parametrize(
    ("strings", "reason"),
    [
        ([zlib.compress(b"12"), names(["a"])], "packed numbers that are not 1"),
        ([b"", names(["a"])], "cut off"),
        ([zlib.compress(bytes(400))[:-3], names(list("ab") * 50)], "cut off"),
        ([b"no zlib at all", names(["a"])], "cannot be decompressed"),
        ([bomb(4 << 20), names([str(i) for i in range(1000)])], "larger than it may be"),
        ([b"1234", bomb(64 << 20)], "larger than it may be"),
        ([b"1234", names([1])], "str"),
        ([b"1234", b"[" * 100_000], "nested deeper"),
        ([b"1234", names(["t" * 5000])], "a tag of no or more than"),
        ([b"1234", names(["a"] * 70_000)], "more than 65536 tags"),
    ],
)
def test_what_is_no_packed_record_is_said_and_all_else_is_read(tmp_path: Path, strings: list[bytes], reason: str) -> None:
    """Once, with its place; nothing grows without bounds."""
    good, bad = Packer(["x"]), wire.strings_value(packed.PREFIX + "1", packed.PLUGIN, strings)
    path = log_of(tmp_path, (1, good.value(np.ones(1))), (2, bad), (3, good.value(np.ones(1))))
    store = read_run(path)
    (damage,) = store.damage
    assert reason in str(damage) and damage.offset == frames.split(path.read_bytes()).starts[1]
    assert store["x"].steps.tolist() == [1, 3]


def test_tensorboard_shows_the_scalars_beside_packed_numbers(tmp_path: Path) -> None:
    """And nothing of the packed ones, which it has no page for."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    packer = Packer(TAGS)
    records = [(i, of_scalars(sample(i)) if i % 10 == 1 else packer.value(sample(i))) for i in range(1, 30)]
    page = EventAccumulator(str(log_of(tmp_path / "run", *records)), size_guidance={"scalars": 0})
    page.Reload()
    assert sorted(page.Tags()["scalars"]) == sorted(TAGS)
    assert [point.step for point in page.Scalars(TAGS[7])] == [1, 11, 21]
