"""The writer: what it leaves on disk, and what it does when the disk refuses."""

from __future__ import annotations

import contextlib
import math
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import wait_until
from tuimon.base.errors import TuimonError
from tuimon.base.process import Process
from tuimon.log import histogram, wire
from tuimon.log.reader import read_run
from tuimon.log.records import Applied, Ended, Gap, Notice, RunStarted
from tuimon.log.writer import LogWriter


def test_tensorboard_reads_every_tag(tmp_path: Path) -> None:
    """The real TensorBoard finds every scalar, histogram and text with its values."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with_writer = LogWriter(tmp_path, "run")
    for step in range(1, 4):
        with_writer.scalars(step, {"loss/train": 1 / step, "lr": 1e-3})
    with_writer.sample(3, {"grad_norm/fc1": 0.5}, {"gradient/fc1": histogram.of([0.3, -0.3, 0.0, 7.0])})
    with_writer.event(Notice(text="hello"), 3)
    with_writer.close()
    seen = EventAccumulator(str(tmp_path)).Reload()
    assert set(seen.Tags()["scalars"]) == {"loss/train", "lr", "grad_norm/fc1"}
    assert [round(e.value, 4) for e in seen.Scalars("loss/train")] == [1.0, 0.5, 0.3333]
    assert [e.step for e in seen.Scalars("lr")] == [1, 2, 3]
    drawn = seen.Histograms("gradient/fc1")[0].histogram_value
    buckets = dict(zip(drawn.bucket_limit, drawn.bucket, strict=True))
    assert buckets[0.5] == 1 and buckets[-0.25] == 1 and buckets[2.0**-40] == 1 and buckets[8.0] == 1 and drawn.num == 4
    assert b"hello" in seen.Tensors("tuimon/event")[0].tensor_proto.string_val[0]


@pytest.mark.parametrize("step", [0, 1, 127, 128, 2**28 - 1, 2**28, 2**31, wire.MAX_STEP])
def test_steps_of_any_size_keep_one_width(step: int) -> None:
    """Each step is five bytes that decode, as a varint, to the step."""
    coded = wire.step_varint(step)
    assert len(coded) == wire.STEP_BYTES
    assert sum((byte & 0x7F) << 7 * i for i, byte in enumerate(coded)) == step
    assert all(byte & 0x80 for byte in coded[:-1]) and not coded[-1] & 0x80


@pytest.mark.parametrize("step", [-1, wire.MAX_STEP + 1])
def test_a_step_out_of_range_is_an_error(tmp_path: Path, step: int) -> None:
    """It is told, not wrapped round."""
    with pytest.raises(ValueError, match="outside"):
        LogWriter(tmp_path, "run").scalars(step, {"x": 1.0})


def test_numbers_beyond_float32_become_infinite(tmp_path: Path) -> None:
    """NaN and infinities are logged as they are; a double that does not fit keeps its sign."""
    writer = LogWriter(tmp_path, "run")
    for step, x in enumerate([1e300, -1e300, math.inf, math.nan, 1.0]):
        writer.scalars(step, {"x": x, "y": 2})
    values = read_run(tmp_path)["x"].values
    assert list(values[:3]) == [math.inf, -math.inf, math.inf] and math.isnan(values[3]) and values[4] == 1.0


def test_each_writer_has_its_own_file(tmp_path: Path) -> None:
    """Two writers of one process and one second do not share a file."""
    first, second = LogWriter(tmp_path, "run"), LogWriter(tmp_path, "run")
    assert first.path != second.path


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="the system does not tell where an open file is")
def test_a_folder_that_is_moved_is_followed(tmp_path: Path) -> None:
    """Under its new name; one that is deleted is named as it was."""
    writer = LogWriter(tmp_path / "old", "run")
    assert writer.folder == tmp_path / "old"
    (tmp_path / "old").rename(tmp_path / "new")
    assert writer.folder == tmp_path / "new"
    shutil.rmtree(tmp_path / "new")
    assert writer.folder == tmp_path / "old"
    writer.close()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """The error names the folder and says what to try."""
    (tmp_path / "file").write_text("")
    with pytest.raises(TuimonError, match=r"(?s)Cannot write the run's log in .*file/run.*--runs-dir"):
        LogWriter(tmp_path / "file" / "run", "run")


def test_a_disk_that_is_full_already_is_told_before_anything_starts(tmp_path: Path) -> None:
    """A log without its beginning would never tell what runs, even with room later; no empty file is left."""
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        for room in (0, 10):
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, unlimited[1]))
            with pytest.raises(TuimonError, match=r"(?s)Cannot write the run's log in .*--runs-dir"):
                LogWriter(tmp_path / "run", "run")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
        signal.signal(signal.SIGXFSZ, handler)
    assert not list((tmp_path / "run").iterdir())


def test_threads_write_whole_records(tmp_path: Path) -> None:
    """Records of several threads never mix."""
    writer = LogWriter(tmp_path, "run")

    def write(tag: str) -> None:
        for step in range(500):
            writer.scalars(step, {tag: step})

    threads = [threading.Thread(target=write, args=(f"t{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store = read_run(tmp_path)
    assert not store.damage
    assert all(list(store[f"t{i}"].steps) == list(range(500)) for i in range(4))


def test_a_killed_process_loses_nothing_it_logged(tmp_path: Path) -> None:
    """Whatever a process had logged before `kill -9` is in the log, and the log is readable."""
    code = (
        "import sys; from pathlib import Path; from tuimon.log.writer import LogWriter\n"
        "w = LogWriter(Path(sys.argv[1]), 'run'); step = 0\n"
        "while True:\n"
        "    step += 1; w.scalars(step, {'x': step}); print(step, flush=True)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout
    told = [int(child.stdout.readline()) for _ in range(300)]
    child.send_signal(signal.SIGKILL)
    told += [int(line) for line in child.stdout.read().split("\n")[:-1]]
    child.wait()
    child.stdout.close()
    assert read_run(tmp_path)["x"].last >= told[-1]


def test_scalars_that_come_close_together_are_written_together_and_in_order(tmp_path: Path) -> None:
    """The first goes at once, the next wait, and whatever else is written comes after them."""
    writer = LogWriter(tmp_path, "run", hold_s=60.0)
    for step in range(1, 4):
        writer.scalars(step, {"x": step})
    assert list(read_run(tmp_path)["x"].steps) == [1]
    writer.sample(3, {"x": 33.0}, {})
    assert list(read_run(tmp_path)["x"].values) == [1, 2, 33]  # what was written later for a step stands
    writer.scalars(4, {"x": 4})
    writer.flush()
    assert read_run(tmp_path)["x"].last == 4
    writer.scalars(5, {"x": 5})
    writer.close()
    assert read_run(tmp_path)["x"].last == 5


@pytest.mark.parametrize("hold_s", [0.0, 60.0])
def test_a_training_steps_record_is_finished_when_it_is_written(tmp_path: Path, hold_s: float) -> None:
    """Its moment becomes a time of day, names become tags, and what the user says of a name counts."""
    writer = LogWriter(tmp_path, "run", hold_s, lambda name: "loss/train" if name == "loss" else str(name))
    at, now = time.perf_counter(), time.time()
    for step in range(1, 4):
        writer.step(step, at - 1000 + step, ("lr", "mine"), (0.1, 1.0), {"loss": 0.5, "mine": 2.0, 7: step})
    writer.close()
    store = read_run(tmp_path)
    assert sorted(store) == ["7", "loss/train", "lr", "mine"]
    assert store["mine"].values.tolist() == [2.0] * 3 and store["7"].values.tolist() == [1, 2, 3]
    assert store["lr"].steps.tolist() == [1, 2, 3]
    assert store["loss/train"].walls.tolist() == pytest.approx([now - 999, now - 998, now - 997], abs=0.5)


def test_what_waits_is_written_though_nothing_comes_after_it(tmp_path: Path) -> None:
    """The training may be silent for minutes after a step."""
    writer = LogWriter(tmp_path, "run", hold_s=0.02)
    for step in range(1, 101):
        writer.scalars(step, {"x": step})
    wait_until(lambda: read_run(tmp_path)["x"].last == 100)
    writer.scalars(101, {"x": 101})
    writer.scalars(102, {"x": 102})
    wait_until(lambda: read_run(tmp_path)["x"].last == 102)
    writer.close()


def test_a_record_that_comes_as_the_thread_lies_down_is_written(tmp_path: Path) -> None:
    """It had been up when the step began to hand the record over; nothing may come after it for long."""
    writer = LogWriter(tmp_path, "run", hold_s=0.02)

    class LyingDown(list[Any]):
        def append(self, record: Any) -> None:
            writer._roused = False
            super().append(record)

    for step in (1, 2):
        writer.step(step, time.perf_counter(), (), (), {"x": step})
    wait_until(lambda: read_run(tmp_path)["x"].last == 2 and not writer._roused)
    time.sleep(0.2)  # the word that roused it is used up: it lies until the next
    writer._held, writer._roused = LyingDown(), True
    writer.step(3, time.perf_counter(), (), (), {"x": 3})
    wait_until(lambda: read_run(tmp_path)["x"].last == 3)
    writer.close()


def test_what_waits_is_written_though_no_thread_can_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine may be out of threads, and at the interpreter's end none can be started."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    writer = LogWriter(tmp_path, "run", hold_s=60.0)
    for step in range(1, 4):
        writer.scalars(step, {"x": step})
    assert list(read_run(tmp_path)["x"].steps) == [1, 2, 3]
    writer.close()


def fill(disk: Path) -> Path:
    """A file that takes all the room there is."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(512))
    return ballast


def test_a_full_disk_is_told_as_a_gap(small_disk: Callable[[int], Path], capsys: pytest.CaptureFixture[str]) -> None:
    """The caller sees nothing. Once there is room the log says what is missing, has what a lever did, and goes on."""
    disk = small_disk(64)
    writer = LogWriter(disk / "run", "run")
    for step in range(5):
        writer.scalars(step, {"x": step})
    ballast = fill(disk)
    for step in range(5, 300):
        writer.scalars(step, {"x": step})
    writer.event(Notice(text="while it was full", step=299), 299)
    lost = writer.lost
    assert writer.wants_room
    ballast.unlink()
    writer.flush()
    assert not writer.wants_room and not writer.lost
    writer.scalars(300, {"x": 300})
    writer.close()
    store = read_run(disk / "run")
    gap, notice = (record.event for record in store.events)
    assert isinstance(gap, Gap) and gap.records == lost > 0 and gap.last_step == 299 and gap.reason == "No space left on device"
    assert isinstance(notice, Notice) and notice.text == "while it was full"
    assert not store.damage
    assert list(store["x"].steps) == [*range(gap.first_step), 300]
    told = f"tuimon: the log misses what came after step {gap.first_step}: No space left on device: {writer.path}\n"
    assert capsys.readouterr().err == told


@pytest.mark.parametrize("room", [600, 700, 1000, 4096])
def test_where_files_may_not_grow_the_log_goes_on_in_another(tmp_path: Path, room: int) -> None:
    """`ulimit -f`: no record is lost, not even one that was written in part."""
    writer = LogWriter(tmp_path, "run", hold_s=0.001)
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, unlimited[1]))
        for step in range(100):
            writer.scalars(step, {"x": step})
            if step % 10 == 0:
                writer.event(Notice(text=str(step)), step)
        writer.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
        signal.signal(signal.SIGXFSZ, handler)
    files = list(tmp_path.iterdir())
    assert len(files) > 1 and all(file.stat().st_size <= room for file in files)
    store = read_run(tmp_path)
    assert not store.damage and list(store["x"].steps) == list(range(100))
    assert sorted(int(record.event.text) for record in store.events) == list(range(0, 100, 10))


def test_files_are_not_begun_without_end(tmp_path: Path) -> None:
    """Where hardly anything fits into one, the rest is lost and counted."""
    writer = LogWriter(tmp_path, "run")
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200, unlimited[1]))
        for step in range(1000):
            writer.scalars(step, {"x": step})
        assert writer.lost > 500
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
        signal.signal(signal.SIGXFSZ, handler)
        writer.close()
    assert len(list(tmp_path.iterdir())) == 64 and not read_run(tmp_path).damage


def test_few_records_wait_to_be_encoded(tmp_path: Path) -> None:
    """Whoever gives more than the writer's thread can encode does it: what they are made of would fill the memory."""
    writer, waiting, most = LogWriter(tmp_path, "run", hold_s=0.05), [], 0

    def encode(made_of: object) -> bytes:
        time.sleep(0.01)
        waiting.remove(made_of)
        return wire.frame(wire.event(time.time(), 1, wire.scalar_value("x", 1.0)))

    for i in range(30):
        waiting.append(i)
        writer.later(lambda i=i: encode(i))
        most = max(most, len(waiting))
    writer.close()
    assert most <= 6 and not waiting
    assert len(read_run(tmp_path)["x"]) == 1


def test_records_that_are_encoded_later_hold_back_no_scalars(tmp_path: Path) -> None:
    """The writer's own thread is at work on them; a slow step's scalars are on disk all the same before the call returns."""
    writer, go_on = LogWriter(tmp_path, "run", hold_s=0.05), threading.Event()
    frame = wire.frame(wire.event(1.0, 5, wire.scalar_value("late", 2.0)))

    def encode() -> bytes:
        go_on.wait(60)
        return frame

    writer.later(encode)
    writer.scalars(6, {"x": 1.0})
    store = read_run(tmp_path)
    assert list(store["x"].steps) == [6] and "late" not in store
    go_on.set()
    writer.flush()
    assert list(read_run(tmp_path)["late"].steps) == [5]
    writer.later(encode)
    writer.close()
    assert read_run(tmp_path)["late"].values.tolist() == [2.0]


def test_a_forked_child_never_writes(tmp_path: Path) -> None:
    """A DataLoader worker inherits the writer; what it writes is dropped, and the parent's goes on."""
    writer = LogWriter(tmp_path, "run", hold_s=0.02)
    writer.scalars(1, {"parent": 1.0})
    writer.scalars(2, {"parent": 2.0})  # waits, in both
    pid = os.fork()
    if pid == 0:
        for step in range(3):
            writer.scalars(step, {"child": 1.0})
        time.sleep(0.1)
        writer.close()
        os._exit(0)
    os.waitpid(pid, 0)
    writer.scalars(3, {"parent": 3.0})
    writer.close()
    store = read_run(tmp_path)
    assert list(store) == ["parent"] and list(store["parent"].steps) == [1, 2, 3]


def test_writing_after_close_is_dropped(tmp_path: Path) -> None:
    """A late thread does no harm."""
    writer = LogWriter(tmp_path, "run")
    writer.close()
    writer.close()
    size = writer.path.stat().st_size
    writer.event(Applied(step=1, lever="lr_scale"), 1)
    assert writer.path.stat().st_size == size


def test_an_event_with_what_is_no_text_is_written(tmp_path: Path) -> None:
    """A file's name that is in no encoding, in an argument or an error's message; the rest is as it was."""
    writer = LogWriter(tmp_path, "run")
    config = {"file\udc80": [Path("a\udc80"), math.nan, 0.5]}
    writer.event(RunStarted("n", Process("h", "b", 1, 2.0), config=config, first_step=3))
    writer.event(Ended(how="failed", reason="no file a\udc80"))
    writer.close()
    started, ended = (record.event for record in read_run(tmp_path).events)
    assert started == RunStarted("n", Process("h", "b", 1, 2.0), config={"file?": ["a?", None, 0.5]}, first_step=3)
    assert ended == Ended(how="failed", reason="no file a?")


class Interrupted(dict[str, float]):
    """Scalars in whose midst a signal comes."""

    def values(self) -> Any:
        signal.raise_signal(signal.SIGUSR1)
        return super().values()


@pytest.fixture
def on_signal() -> Iterator[Callable[[Callable[[], object]], None]]:
    """Sets what the signal does."""
    before = signal.getsignal(signal.SIGUSR1)
    yield lambda act: signal.signal(signal.SIGUSR1, lambda *_: act())  # type: ignore[arg-type, return-value]
    signal.signal(signal.SIGUSR1, before)


def test_a_signals_handler_may_log(tmp_path: Path, on_signal: Callable[..., None]) -> None:
    """It interrupts a thread that is just writing, waits for nobody, costs no record and brings none out of order."""
    writer = LogWriter(tmp_path, "run", hold_s=60.0)
    on_signal(lambda: writer.event(Notice("caught")))
    writer.scalars(1, {"x": 1.0})
    for step in range(2, 6):
        writer.scalars(step, Interrupted(x=step) if step == 3 else {"x": step})
    writer.close()
    store = read_run(tmp_path)
    assert store["x"].steps.tolist() == [1, 2, 3, 4, 5] and [record.event for record in store.events] == [Notice("caught")]


def test_a_signals_handler_may_end_the_log(tmp_path: Path, on_signal: Callable[..., None]) -> None:
    """What was being written when it came is there."""

    def end() -> None:
        on_signal(lambda: None)
        writer.close()

    writer = LogWriter(tmp_path, "run", hold_s=60.0)
    on_signal(end)
    for step in range(1, 5):
        writer.scalars(step, Interrupted(x=step) if step == 3 else {"x": step})
    writer.flush()
    assert read_run(tmp_path)["x"].steps.tolist() == [1, 2, 3, 4]


def test_an_interrupt_costs_no_record(tmp_path: Path, on_signal: Callable[..., None]) -> None:
    """Ctrl-C in the midst of writing what was held back: it is written with what comes next."""

    def interrupt() -> None:
        on_signal(lambda: None)
        raise KeyboardInterrupt

    writer = LogWriter(tmp_path, "run", hold_s=60.0)
    on_signal(interrupt)
    for step in range(1, 5):
        writer.scalars(step, Interrupted(x=step) if step == 3 else {"x": step})
    with pytest.raises(KeyboardInterrupt):
        writer.flush()
    writer.close()
    assert read_run(tmp_path)["x"].steps.tolist() == [1, 2, 3, 4]


def test_a_record_that_cannot_be_made_costs_no_other(tmp_path: Path) -> None:
    """It is counted in the gap that the log tells of; the thread that writes lives on."""
    writer = LogWriter(tmp_path, "run", hold_s=0.02)
    writer.scalars(1, {"x": 1.0})
    for step, values in ((2, {"x": 2.0}), (2.5, {"x": 2.5}), (3, {"x": "three"}), (4, {"x": 4.0})):
        writer.scalars(step, values)  # type: ignore[arg-type]
    wait_until(lambda: read_run(tmp_path)["x"].last == 4)
    writer.scalars(5, {"x": 5.0})
    wait_until(lambda: read_run(tmp_path)["x"].last == 5)
    writer.close()
    store = read_run(tmp_path)
    assert store["x"].steps.tolist() == [1, 2, 4, 5]
    gaps = [record.event for record in store.events if isinstance(record.event, Gap)]
    assert sum(gap.records for gap in gaps) == 2 and not store.damage
