"""A run in one line, from a glance at its log."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from tuimon.base.process import this_process
from tuimon.launcher.runs import glance, summary
from tuimon.launcher.runs.glance import lifecycle
from tuimon.launcher.runs.summary import seconds_trained, summarize
from tuimon.log.batch import Batch, EventRecord, Points
from tuimon.log.histogram import BINS, Histogram
from tuimon.log.records import Applied, Ended, Exited, Launched, LeverInfo, Notice, RunStarted
from tuimon.log.store import Store
from tuimon.log.writer import LogWriter

SPEC = {"model": {"name": "mlp", "activation": "relu"}, "optimizer": {"name": "adam"}}


def started(**more: object) -> RunStarted:
    return RunStarted(
        name="a", process=this_process(), device="cuda:0", total_steps=60_000, steps_per_epoch=100, spec=SPEC, **more
    )


def write_steps(log: LogWriter, count: int) -> None:
    for step in range(1, count + 1):
        log.scalars(step, {"loss/train": 1000 / step, "lr": 0.1, "throughput": 50.0})
        if step % 100 == 0:
            log.scalars(step, {"loss/val": 2000 / step})


@pytest.fixture
def long_run(tmp_path: Path) -> Path:
    """60,000 steps, 5 MB."""
    launch = LogWriter(tmp_path, "launch")
    launch.event(Launched(name="a", command=(), cwd="/", supervisor=this_process(), device="cuda:3"))
    log = LogWriter(tmp_path, "run")
    log.event(started(levers=(LeverInfo("activation", "choice", "relu", choices=("relu", "tanh")),)))
    write_steps(log, 60_000)
    log.event(Ended("finished", step=60_000))
    log.close()
    launch.event(Exited(code=0))
    launch.close()
    return tmp_path


def test_a_summary_tells_what_a_list_shows(long_run: Path) -> None:
    """The end is exact, the curve is sampled, the device is the one that people call it by."""
    told = summarize(long_run)
    assert (told.status.state, told.step, told.total_steps, told.steps_per_epoch) == ("finished", 60_000, 60_000, 100)
    assert told.loss == pytest.approx(sum(1000 / step for step in range(59_901, 60_001)) / 100)
    assert told.val_loss == pytest.approx(2000 / 60_000)
    assert (told.device, told.model, told.optimizer, told.activation) == ("cuda:3", "mlp", "adam", "relu")
    assert told.steps_per_second == 50
    assert 20 <= len(told.losses) <= 60 and told.losses[0] == 1000
    assert list(told.losses) == sorted(told.losses, reverse=True)
    assert told.last_wall > told.first_wall


def test_an_activation_is_told_only_of_a_model_that_has_one(tmp_path: Path) -> None:
    """A spec names one always; softmax regression has none."""
    log = LogWriter(tmp_path, "run")
    log.event(started())
    log.close()
    assert summarize(tmp_path).activation == ""


def test_a_glance_reads_a_small_part_of_a_long_log(long_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cost does not grow with the log: under a tenth of 5 MB is looked at."""
    read = []
    plain = glance.read_part
    monkeypatch.setattr(glance, "read_part", lambda path, start, size: read.append(size) or plain(path, start, size))
    glance.glance(long_run)
    total = sum(file.stat().st_size for file in long_run.iterdir())
    assert total > 4_000_000 and 0 < sum(read) < total / 10


def test_a_long_log_is_sampled_from_beginning_to_end(tmp_path: Path) -> None:
    """Samples hold whole records from evenly spread places, without reading the file."""
    writer = LogWriter(tmp_path, "run")
    for step in range(40_000):
        writer.scalars(step, {"loss/train": float(step), "lr": 0.1})
    batches = glance.look_into(writer.path, places=10)
    steps = np.concatenate([b.scalars["loss/train"].steps for b in batches])
    assert steps[0] == 0 and steps[-1] == 39_999 and (np.diff(steps) > 0).all()
    assert np.diff(steps).max() < 8_000 and sum(b.bytes for b in batches) < writer.path.stat().st_size / 4


def test_a_log_that_has_not_grown_is_not_read_again(long_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """But one that has is, and its processes are looked at each time."""
    first = summarize(long_run)
    monkeypatch.setattr(summary, "glance_at", lambda run: pytest.fail("read again"))
    assert summarize(long_run) == first
    monkeypatch.undo()
    log = LogWriter(long_run, "run")
    log.scalars(60_001, {"loss/train": 0.5})
    log.close()
    assert summarize(long_run).step == 60_001


def test_a_pause_is_seen_however_long_ago_it_was(tmp_path: Path) -> None:
    """Hours of meter records after the pause do not hide it."""
    log = LogWriter(tmp_path, "run")
    log.event(started())
    write_steps(log, 5_000)
    log.event(Applied(5_000, "paused", False, True))
    meters = {f"system/gpu{i}/utilization_percent": 0.0 for i in range(8)}
    for _ in range(3_000):
        log.scalars(5_000, meters)
    log.close()
    assert summarize(tmp_path).status.state == "paused"
    assert summarize(tmp_path).loss == pytest.approx(sum(1000 / step for step in range(4_951, 5_001)) / 50)


def test_a_pause_is_seen_though_its_step_is_written_after_it(tmp_path: Path) -> None:
    """Wherever the look at the log's end begins."""
    log = LogWriter(tmp_path, "run")
    log.event(started())
    write_steps(log, 5_000)
    log.event(Applied(5_001, "paused", False, True))
    log.scalars(5_001, {"loss/train": 0.1, "lr": 0.1, "throughput": 50.0})
    log.event(Notice("."))
    after = log.path.stat().st_size + glance._FIRST_BYTES
    while log.path.stat().st_size < after:
        log.scalars(5_001, {f"system/gpu{i}/utilization_percent": 0.0 for i in range(8)})
        log.event(Notice("."))
    log.close()
    content = log.path.read_bytes()
    for size in range(after - 500, after, 20):
        log.path.write_bytes(content[:size])
        assert summarize(tmp_path).status.state == "paused"


def test_a_run_that_goes_on_in_further_files_is_known_by_its_first(tmp_path: Path) -> None:
    """Under a limit on the size of files its process begins many: how it began is in the first, where it is in the last."""
    for number in range(40):
        log = LogWriter(tmp_path, "run")
        if number == 0:
            log.event(started())
        log.scalars(number + 1, {"loss/train": 1 / (number + 1), "lr": 0.1})
        log.close()
    told = summarize(tmp_path)
    assert (told.status.state, told.step, told.val_loss) == ("running", 40, None)
    log = LogWriter(tmp_path, "run")
    log.event(Ended("stopped", step=40))
    log.close()
    assert summarize(tmp_path).status.state == "stopped"


def test_a_pause_is_over_when_training_went_on(tmp_path: Path) -> None:
    """Wherever the end of a long pause lies: among what is looked at, or not."""
    whole, run = tmp_path / "whole", tmp_path / "run"
    whole.mkdir()
    run.mkdir()
    log = LogWriter(whole, "run")
    log.event(started())
    write_steps(log, 5_000)
    log.event(Applied(5_000, "paused", False, True))
    for _ in range(3_000):
        log.scalars(5_000, {f"system/gpu{i}/utilization_percent": 0.0 for i in range(8)})
    log.event(Applied(5_000, "paused", True, False))
    resumed = log.path.stat().st_size
    for step in range(5_001, 40_000):
        log.scalars(step, {"loss/train": 0.1, "lr": 0.1, "throughput": 50.0})
    log.close()
    content = log.path.read_bytes()
    for size in range(resumed, len(content), 20_011):
        (run / log.path.name).write_bytes(content[:size])
        assert summarize(run).status.state == lifecycle(run).status().state == "running", size


def test_records_larger_than_a_look_do_not_hide_the_end(tmp_path: Path) -> None:
    """A model of 200 layers writes samples of 100 KB, larger than what is read at first."""
    log = LogWriter(tmp_path, "run")
    log.event(started())
    write_steps(log, 100)
    histogram = Histogram([float(i) for i in range(BINS)], -1, 1, 0, 1)
    for step in range(101, 130):
        log.scalars(step, {"loss/train": 1.0 / step})
        log.sample(step, {}, {f"gradient/layer{i}": histogram for i in range(200)})
    log.close()
    assert (tmp_path / log.path.name).stat().st_size > 2_000_000
    assert summarize(tmp_path).step == 129
    assert summarize(tmp_path).loss == pytest.approx(1 / 129, rel=0.1)


def test_a_log_of_another_framework_has_its_loss_found(tmp_path: Path) -> None:
    """No event of ours, other tags: the training loss is still the one that is shown."""
    log = LogWriter(tmp_path, "v2")
    for step in range(10):
        log.scalars(step, {"val_loss": 9.0, "train_loss": float(step)})
    log.close()
    told = summarize(tmp_path)
    assert (told.status.state, told.step, told.loss) == ("unknown", 9, 4.5)
    assert told.losses == tuple(float(step) for step in range(10))


def test_a_folder_without_a_log_has_a_name(tmp_path: Path) -> None:
    """Nothing raises; nothing is made up."""
    assert summarize(tmp_path / "nothing").name == "nothing"
    assert summarize(tmp_path).status.state == "unknown"


def test_a_damaged_log_is_summarized_as_far_as_it_goes(long_run: Path) -> None:
    """A megabyte of garbage in the middle hides only itself."""
    file = next(file for file in long_run.iterdir() if file.name.endswith(".run"))
    data = bytearray(file.read_bytes())
    data[3_000_000:4_000_000] = b"\xff" * 1_000_000
    file.write_bytes(data)
    assert summarize(long_run).step == 60_000
    assert lifecycle(long_run).status().state == "finished"


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_no_number_is_told_from_one_that_there_is_not(tmp_path: Path, value: float) -> None:
    """The latest is what counts, however good the steps before were."""
    log = LogWriter(tmp_path, "run")
    log.event(started())
    assert (summarize(tmp_path).loss, summarize(tmp_path).val_loss) == (None, None)
    write_steps(log, 100)
    log.scalars(101, {"loss/train": value, "loss/val": value})
    log.close()
    told = summarize(tmp_path)
    assert str((told.loss, told.val_loss)) == str((value, value))


def test_one_lucky_batch_does_not_make_the_loss(tmp_path: Path) -> None:
    """It is a mean over the latest steps, as batches differ; what is not finite among them is left out."""
    log = LogWriter(tmp_path, "run")
    for step in range(1, 41):
        log.scalars(step, {"loss/train": 1.0 if step % 2 else 0.0 if step > 32 else math.nan})
    log.close()
    assert summarize(tmp_path).loss == pytest.approx(5 / 9)


def test_the_time_before_a_run_was_resumed_is_not_time_trained(tmp_path: Path) -> None:
    """It trained for 10 seconds, was over for 1,000, and trained for 5 more."""
    store, launch = Store(), Launched(name="a", command=(), cwd="/", supervisor=this_process(), device="cpu")
    assert math.isnan(seconds_trained(store))
    walls = np.array([100.0, 105, 110, 1111, 1115])
    points = Points(np.arange(1, 6), walls, np.ones(5, np.float32))
    store.apply(Batch({"throughput": points}, events=[EventRecord(0, 100.0, launch), EventRecord(0, 1110.0, launch)], bytes=1))
    assert seconds_trained(store) == 15.0
