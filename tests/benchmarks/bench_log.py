"""Reading logs: 20 tags x 50,000 steps of our own, and a foreign log of one scalar a record, beside TensorBoard's own reader.

Prints medians of several passes, and the ratio to TensorBoard's Python loader measured in the same run (on a part of the same
foreign log, as it is slow).
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tuimon.log import wire
from tuimon.log.reader import read_run
from tuimon.log.writer import LogWriter

TAGS, STEPS, FOREIGN_STEPS, PASSES = 20, 50_000, 50_000, 5


def median_s(task: Callable[[], object]) -> float:
    """The median duration of several passes, after one to warm up."""
    task()
    durations = []
    for _ in range(PASSES):
        start = time.perf_counter()
        task()
        durations.append(time.perf_counter() - start)
    return statistics.median(durations)


def write_own(folder: Path) -> None:
    """One record a step, holding all tags."""
    writer = LogWriter(folder, "run")
    for step in range(STEPS):
        writer.scalars(step, {f"metric/{i}": step * 0.5 for i in range(TAGS)})
    writer.close()


def write_foreign(folder: Path, steps: int) -> None:
    """One record a scalar, as most frameworks write them."""
    from tuimon.log.protos import Event

    folder.mkdir()
    with open(folder / "events.out.tfevents.1.foreign", "wb") as file:
        for step in range(steps):
            for i in range(TAGS):
                event = Event(wall_time=1e9 + step, step=step)
                event.summary.value.add(tag=f"metric/{i}", simple_value=step * 0.5)
                file.write(wire.frame(event.SerializeToString()))


def load_with_tensorboard(folder: Path) -> None:
    """What TensorBoard's Python loader does with the same file."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()


def main() -> None:
    """Measures and prints."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        write_own(root / "own")
        write_foreign(root / "foreign", FOREIGN_STEPS)
        write_foreign(root / "part", FOREIGN_STEPS // 20)
        own, foreign = median_s(lambda: read_run(root / "own")), median_s(lambda: read_run(root / "foreign"))
        theirs = median_s(lambda: load_with_tensorboard(root / "part"))
        store = read_run(root / "own")
        held = sum(column._data.nbytes for series in store.series.values() for column in series._columns)
    foreign_rate, their_rate = TAGS * FOREIGN_STEPS / foreign, TAGS * (FOREIGN_STEPS // 20) / theirs
    print(f"own log, {TAGS} tags x {STEPS:,} steps:        {own * 1e3:7.0f} ms   (target 150 ms)")
    print(f"memory:                                 {held / (TAGS * STEPS):7.1f} bytes a point   (target 24)")
    print(f"foreign log, one scalar a record:       {foreign_rate / 1e6:7.2f} M records/s   (target 1)")
    ratio = foreign_rate / their_rate
    print(f"TensorBoard's Python loader, the same:  {their_rate / 1e6:7.2f} M records/s   ours is {ratio:.1f} x")


if __name__ == "__main__":
    main()
