"""The reader: whole records only, damage told with its place, one answer however the bytes arrive."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from tuimon.base.errors import TuimonError
from tuimon.base.process import Process
from tuimon.log import frames, histogram, layout, wire
from tuimon.log.reader import RunReader, event_files, read_part, read_run
from tuimon.log.records import Ended, Launched, Notice, RunStarted
from tuimon.log.store import Store
from tuimon.log.writer import LogWriter

NOBODY = Process(host="elsewhere", boot_id="", pid=1, started=0.0)


def write_mixed_log(folder: Path) -> bytes:
    """A small log with each kind of record."""
    writer = LogWriter(folder, "run")
    writer.event(RunStarted(name="mixed", process=NOBODY))
    for step in range(1, 13):
        writer.scalars(step, {"loss/train": 1 / step, "lr": 0.1})
        if step % 4 == 0:
            writer.sample(step, {"grad_norm/fc": 2.0}, {"gradient/fc": histogram.of([0.1 * step, -1.0])}, 5.0)
    writer.text(12, "note", "as others write")
    writer.event(Ended(how="finished", step=12), 12)
    writer.close()
    return writer.path.read_bytes()


def facts(store: Store) -> object:
    """All that a store holds, comparable."""
    series = {tag: (s.steps.tolist(), s.walls.tolist(), s.values.tolist()) for tag, s in store.series.items()}
    histograms = {tag: (h.steps.tolist(), h.counts.tolist(), h.mins.tolist()) for tag, h in store.histograms.items()}
    return series, histograms, store.texts, store.events, store.step, store.first_wall, store.last_wall


def test_a_log_cut_at_every_byte_is_read_up_to_its_last_whole_record(tmp_path: Path) -> None:
    """No cut is an error or damage, and none loses a record that is whole."""
    whole = write_mixed_log(tmp_path / "whole")
    ends = np.cumsum(np.concatenate([[0], frames.split(whole).lengths + wire.FRAME_BYTES]))
    cut = tmp_path / "events.out.tfevents.cut"
    for size in range(len(whole)):
        cut.write_bytes(whole[:size])
        reader = RunReader(cut)
        found = reader.read()
        assert not reader.damage
        assert found.records == np.searchsorted(ends, size, side="right") - 1
        reader.close()


@pytest.mark.parametrize("max_bytes", [1, 7, 100, 1000])
def test_however_the_bytes_arrive_the_store_is_the_same(tmp_path: Path, max_bytes: int) -> None:
    """Attaching late shows what attaching early shows."""
    write_mixed_log(tmp_path)
    reader, store = RunReader(tmp_path), Store()
    while found := reader.read(max_bytes):
        store.apply(found)
    assert facts(store) == facts(read_run(tmp_path))


def test_a_growing_log_is_followed_over_its_files(tmp_path: Path) -> None:
    """New records and new files are found by the next read."""
    reader, store = RunReader(tmp_path), Store()
    assert not reader.read()
    first = LogWriter(tmp_path, "run")
    first.scalars(1, {"x": 1.0})
    second = LogWriter(tmp_path, "run")
    second.scalars(2, {"x": 2.0})
    first.scalars(3, {"y": 3.0})
    while found := reader.read():
        store.apply(found)
    assert store["x"].values.tolist() == [1.0, 2.0] and store["y"].values.tolist() == [3.0]


@pytest.mark.parametrize("seed", range(20))
def test_damage_is_told_with_its_place_and_all_else_is_read(tmp_path: Path, seed: int) -> None:
    """A flipped bit anywhere: the reader names the record it is in. Only where its length is lost, so is all behind it."""
    whole = write_mixed_log(tmp_path / "whole")
    found = frames.split(whole)
    begins = found.starts - wire.HEADER.size
    place = random.Random(seed).randrange(len(whole) - 200)
    record = int(np.searchsorted(begins, place, side="right")) - 1
    broken = bytearray(whole)
    broken[place] ^= 1 << seed % 8
    path = tmp_path / "events.out.tfevents.broken"
    path.write_bytes(broken)
    reader = RunReader(path)
    batch = reader.read()
    (damage,) = reader.damage
    assert damage.offset == begins[record] and f"byte {begins[record]}" in str(damage)
    if place - begins[record] < wire.HEADER.size:
        assert (batch.records, damage.left_out, damage.bytes) == (record, 0, len(whole) - begins[record])
    else:
        size = int(found.lengths[record]) + wire.FRAME_BYTES
        assert (batch.records, damage.left_out, damage.bytes) == (len(begins) - 1, 1, size)
    reader.close()


def test_random_bytes_are_damage_at_the_start(tmp_path: Path) -> None:
    """A file that is no event file is said to be damaged at byte 0, without an exception."""
    path = tmp_path / "events.out.tfevents.noise"
    path.write_bytes(random.Random(0).randbytes(10_000))
    store = read_run(path)
    assert store.damage[0].offset == 0 and not store.series


def test_bulk_decoding_equals_protobuf(tmp_path: Path) -> None:
    """Columns of a byte matrix hold what protobuf reads record by record, over changing tags, steps and lengths."""
    from tuimon.log.protos import Event

    rng = random.Random(1)
    records = [
        wire.event(rng.random(), rng.choice([0, 5, 127, 128, 300, 70_000, 2**31]), b"".join(values))
        for _ in range(400)
        for values in [[wire.scalar_value(f"tag/{rng.randrange(9)}{i}", rng.gauss(0, 1)) for i in range(rng.randrange(1, 4))]]
    ]
    foreign = [Event.FromString(record).SerializeToString() for record in records]  # the shortest varints
    path = tmp_path / "events.out.tfevents.1"
    path.write_bytes(b"".join(map(wire.frame, records + foreign)))
    expected: dict[str, list[tuple[int, float]]] = {}
    for record in records + foreign:
        message = Event.FromString(record)
        for value in message.summary.value:
            before = [point for point in expected.get(value.tag, []) if point[0] < message.step]  # a step that goes back
            expected[value.tag] = [*before, (message.step, value.simple_value)]
    store = read_run(path)
    assert {tag: list(zip(s.steps.tolist(), s.values.tolist(), strict=True)) for tag, s in store.series.items()} == expected
    buffer = path.read_bytes()
    found = frames.split(buffer)
    columns, others = layout.decode(buffer, found.starts, found.lengths)
    assert len(others) < len(found.starts) / 2 and columns


def test_what_other_writers_write_is_read(tmp_path: Path) -> None:
    """PyTorch's SummaryWriter, and TensorFlow 2's tensors in place of scalars."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.plugins.histogram.summary import histogram_pb
    from tensorboard.plugins.scalar.summary import scalar_pb
    from tensorboard.util.tensor_util import make_tensor_proto
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(tmp_path)) as writer:
        for step in range(5):
            writer.add_scalar("loss", step * 2.0, step)
        writer.add_histogram("weights", np.array([0.3, 0.3, -5.0, 0.0]), 3)
        writer.add_text("note", "hello", 1)
    tensors = [
        Event(wall_time=1.0, step=7, summary=scalar_pb("tf2", 4.5)),
        Event(step=8, summary=histogram_pb("h", [1.5, -0.1])),
    ]
    doubles = Event(step=9)
    doubles.summary.value.add(tag="double").tensor.CopyFrom(make_tensor_proto(np.float64(1.25)))
    path = tmp_path / "events.out.tfevents.9999999999.tf2"
    path.write_bytes(b"".join(wire.frame(e.SerializeToString()) for e in [*tensors, doubles]))
    store = read_run(tmp_path)
    assert store["loss"].values.tolist() == [0, 2, 4, 6, 8] and store["loss"].steps.tolist() == [0, 1, 2, 3, 4]
    assert store["tf2"].values.tolist() == [4.5] and store["tf2"].steps.tolist() == [7] and store["double"].last == 1.25
    assert store.histograms["weights"].counts.sum() == 4 and store.histograms["h"].counts.sum() == 2
    assert store.histograms["weights"].counts[0][histogram.bin_of(0.3)] == 2
    assert store.texts["note/text_summary"][0].text == "hello"


def test_a_later_versions_event_is_kept_as_text(tmp_path: Path) -> None:
    """An unknown kind of event is shown as the text it is."""
    writer = LogWriter(tmp_path, "run")
    writer.text(1, "tuimon/event", '{"kind":"from the future"}')
    assert "future" in read_run(tmp_path).texts["tuimon/event"][0].text


def test_resync_finds_a_record_from_any_byte(tmp_path: Path) -> None:
    """From wherever one looks into a log, the next whole record is found."""
    whole = write_mixed_log(tmp_path)
    begins = (frames.split(whole).starts - wire.HEADER.size).tolist()
    for place in range(1, len(whole) - 300, 13):
        found = frames.resync(whole[place:])
        assert found is not None and place + found == next(b for b in begins if b >= place)
    assert read_part(event_files(tmp_path)[0], 1, 100).records <= 2


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    """No such run, and a folder without a log."""
    with pytest.raises(TuimonError, match="no run at"):
        read_run(tmp_path / "nothing")
    with pytest.raises(TuimonError, match="holds no event file"):
        read_run(tmp_path)


def test_a_resumed_run_goes_on_from_its_first_step(tmp_path: Path) -> None:
    """What the crashed part logged after the checkpoint is not drawn twice."""
    first = LogWriter(tmp_path, "run")
    first.event(Launched(name="r", command=(), cwd="", supervisor=NOBODY))
    first.event(RunStarted(name="r", process=NOBODY))
    for step in range(1, 11):
        first.scalars(step, {"x": step})
    first.close()
    second = LogWriter(tmp_path, "run")
    second.event(RunStarted(name="r", process=NOBODY, first_step=6), 6)
    second.event(Notice(text="resumed"), 6)
    second.scalars(7, {"x": 70.0})
    store = read_run(tmp_path)
    assert store["x"].steps.tolist() == [1, 2, 3, 4, 5, 6, 7] and store["x"].last == 70.0 and store.step == 7


def test_a_point_takes_at_most_24_bytes(tmp_path: Path) -> None:
    """Also in a series that has grown point by point."""
    writer = LogWriter(tmp_path, "run")
    reader, store = RunReader(tmp_path), Store()
    for step in range(20_000):
        writer.scalars(step, {"x": 1.0})
        if step % 50 == 0:
            store.apply(reader.read())
    held = sum(column._data.nbytes for column in store["x"]._columns)
    assert held <= 24 * len(store["x"]) * 1.001


def test_a_supervisors_file_is_read_before_the_training_it_started(tmp_path: Path) -> None:
    """Also in an older log, whose names of one second are in the order of the processes' numbers as texts: 10 before 9."""
    supervisor, training = LogWriter(tmp_path, "launch"), LogWriter(tmp_path, "run")
    supervisor.event(Launched(name="r", command=(), cwd="", supervisor=NOBODY))
    training.event(RunStarted(name="r", process=NOBODY))
    training.event(Ended(how="finished"))
    supervisor.path.rename(tmp_path / "events.out.tfevents.1700000000.host.9.0.launch")
    training.path.rename(tmp_path / "events.out.tfevents.1700000000.host.10.0.run")
    assert read_run(tmp_path).ended == Ended(how="finished")


def test_files_of_others_are_read_in_tensorboards_order(tmp_path: Path) -> None:
    """By name, as text."""
    seconds = ("1700000000.b", "1700000000.a.v2", "170", "1700000000-x", "1700000001.a")
    names = [*(f"events.out.tfevents.{second}" for second in seconds), "a.tfevents.launch.x", "zz.tfevents"]
    for name in names:
        (tmp_path / name).touch()
    assert [path.name for path in event_files(tmp_path)] == sorted(names)


def test_a_resumed_run_that_tells_of_itself_again_loses_nothing(tmp_path: Path) -> None:
    """It does whenever its model or its levers change, an activation exchanged for one."""
    writer = LogWriter(tmp_path, "run")
    started = RunStarted(name="r", process=NOBODY, first_step=6)
    for event in (RunStarted(name="r", process=NOBODY), started):
        writer.event(event)
    for step in range(7, 10):
        writer.scalars(step, {"x": step})
    writer.event(started, 9)
    writer.close()
    store = read_run(tmp_path)
    assert store["x"].steps.tolist() == [7, 8, 9] and store.step == 9


def test_a_curve_in_a_folder_of_its_own_is_found_while_it_is_made(tmp_path: Path) -> None:
    """`add_scalars` makes the folder at its first call; a tag that the run itself has is not replaced."""
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(tmp_path)) as writer:
        writer.add_scalar("loss/val", 7.0, 0)
        writer.flush()
        reader, store = RunReader(tmp_path), Store()
        while found := reader.read():
            store.apply(found)
        for step in range(3):
            writer.add_scalars("loss", {"train": 1.0, "val": 2.0}, step)
        for each in writer.all_writers.values():
            each.flush()
        for _ in range(60):  # reads that find nothing new look for folders now and then
            store.apply(reader.read())
        reader.close()
    assert store["loss/train"].values.tolist() == [1.0] * 3 and store["loss/val"].values.tolist() == [7.0]
    assert list(store) == list(read_run(tmp_path))


def test_a_run_within_a_run_keeps_its_curves(tmp_path: Path) -> None:
    """Only folders that are called as `add_scalars` calls them are taken for a curve of the run."""
    for folder in ("", "train", "fold_1", "loss", "loss_"):
        writer = LogWriter(tmp_path / folder, "run") if folder else LogWriter(tmp_path, "run")
        writer.scalars(1, {"loss": 1.0})
        writer.close()
    assert list(read_run(tmp_path)) == ["loss"] and len(read_run(tmp_path)["loss"]) == 1
