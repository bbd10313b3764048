"""Logs as other programs leave them, each one somebody's bug report: written with TensorBoard's and PyTorch's own writers.

Each function takes a folder and fills it. File names are given, so that which file is the later one does not depend on a clock.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.summary.writer.record_writer import RecordWriter

T0 = 1_700_000_000.0
FIRST, SECOND = "events.out.tfevents.1700000000.host.1.0", "events.out.tfevents.1700000100.host.2.0"


def write(folder: Path, events: Iterable[Event], file: str = FIRST) -> Path:
    """One event file of these events; its path."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / file, "wb") as out:
        writer = RecordWriter(out)
        for event in events:
            writer.write(event.SerializeToString())
        writer.flush()
    return folder / file


def scalar(step: int, value: float, tag: str = "loss", wall: float | None = None) -> Event:
    """A plain scalar, as PyTorch writes it."""
    at = T0 + step if wall is None else wall
    return Event(wall_time=at, step=step, summary=Summary(value=[Summary.Value(tag=tag, simple_value=value)]))


def session_start(step: int) -> Event:
    """What a writer that was given a `purge_step` begins with."""
    return Event(wall_time=T0 + 200, step=step, session_log=SessionLog(status=SessionLog.START))


def tensor(step: int, tag: str, dtype: int, shape: tuple[int, ...], plugin: str | None = "scalars", **content: Any) -> Event:
    """A tensor, as TensorFlow 2 writes it; `content` are fields of the tensor's message."""
    dims = TensorShapeProto(dim=[TensorShapeProto.Dim(size=size) for size in shape])
    proto = TensorProto(dtype=dtype, tensor_shape=dims, **content)
    metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=plugin)) if plugin else None
    return Event(
        wall_time=T0 + step, step=step, summary=Summary(value=[Summary.Value(tag=tag, tensor=proto, metadata=metadata)])
    )


def _hundred(value: float = 1.0) -> list[Event]:
    return [scalar(step, value) for step in range(100)]


def _again() -> list[Event]:
    """Another start, from step 50, that came to 79."""
    return [session_start(50), *(scalar(step, 2.0, wall=T0 + 200 + step) for step in range(50, 80))]


def restart_in_one_file(folder: Path) -> None:
    """A training crashed at step 99, and went on from 50 in the same file."""
    write(folder, _hundred() + _again())


def restart_in_two_files(folder: Path) -> None:
    """The same in a second file."""
    write(folder, _hundred())
    write(folder, _again(), SECOND)


def restart_of_one_tag(folder: Path) -> None:
    """What is not logged again keeps its curve: replacing is per tag."""
    write(folder, [scalar(step, 1.0, tag) for step in range(10) for tag in ("loss", "accuracy")])
    write(folder, [session_start(5), *(scalar(step, 2.0) for step in range(5, 8))], SECOND)


def restart_with_purge_step(folder: Path) -> None:
    """As PyTorch's own writer does it."""
    from torch.utils.tensorboard import SummaryWriter

    for name, steps, value, purge in ((FIRST, range(100), 1.0, None), (SECOND, range(50, 80), 2.0, 50)):
        writer = SummaryWriter(str(folder), purge_step=purge, filename_suffix=".new")
        for step in steps:
            writer.add_scalar("loss", value, step)
        writer.close()
        next(folder.glob("*.new")).rename(folder / name)


def restart_without_going_back(folder: Path) -> None:
    """The second file begins where the first ended."""
    write(folder, _hundred())
    write(folder, [scalar(step, 2.0) for step in range(100, 120)], SECOND)


def names_that_sort_otherwise(folder: Path) -> None:
    """The order of files is that of their names, letter by letter: 1.14 before 1.2."""
    write(folder, [scalar(step, 1.0) for step in range(10)], "events.out.tfevents.1700000000.host.1.2")
    write(folder, [scalar(step, 2.0) for step in range(5, 8)], "events.out.tfevents.1700000000.host.1.14")


def two_writers_of_two_tags(folder: Path) -> None:
    """Two processes log into one folder at the same time."""
    write(folder, _hundred())
    write(folder, [scalar(step, 0.5, "val_loss") for step in range(0, 100, 10)], SECOND)


def two_writers_of_one_tag(folder: Path) -> None:
    """Both write the same curve, alternating."""
    write(folder, [scalar(step, 1.0) for step in range(0, 100, 2)])
    write(folder, [scalar(step, 2.0) for step in range(1, 100, 2)], SECOND)


def steps_of_each_epoch(folder: Path) -> None:
    """The step starts over with each epoch."""
    write(folder, [scalar(step, 3.0 - epoch, wall=T0 + epoch * 50 + step) for epoch in range(3) for step in range(50)])


def steps_shuffled(folder: Path) -> None:
    """Steps in no order."""
    steps = list(range(200))
    random.Random(0).shuffle(steps)
    write(folder, [scalar(step, float(step)) for step in steps])


def all_at_step_zero(folder: Path) -> None:
    """A writer that was never given a step."""
    write(folder, [scalar(0, float(number), wall=T0 + number) for number in range(50)])


def one_tag_twice_in_a_record(folder: Path) -> None:
    """Both values of one record have the same step."""
    values = [Summary.Value(tag="loss", simple_value=value) for value in (1.0, 2.0)]
    write(folder, [Event(wall_time=T0, step=1, summary=Summary(value=values))])


def negative_and_huge_steps(folder: Path) -> None:
    """All that 64 bits hold."""
    write(folder, [scalar(step, 1.0, wall=T0) for step in (-5, -1, 0, 1, 2**31, 2**40, 2**62)])


def values_that_are_not_finite(folder: Path) -> None:
    """NaN, infinities, and the ends of what 32 bits hold."""
    values = [1.0, float("nan"), 2.0, float("inf"), -float("inf"), 3.0, 1e38, -1e38, 1e-45]
    write(folder, [scalar(step, value) for step, value in enumerate(values)])


def all_nan(folder: Path) -> None:
    """No value is a number."""
    write(folder, [scalar(step, float("nan")) for step in range(20)])


def clock_that_jumps(folder: Path) -> None:
    """An hour back, into 2096, to 0 and below."""
    walls = [T0, T0 + 1, T0 - 3600, T0 + 2, 4e9, 0.0, -1.0, 1e15, T0 + 3]
    write(folder, [scalar(step, 1.0, wall=wall) for step, wall in enumerate(walls)])


def clock_that_is_no_number(folder: Path) -> None:
    """NaN and infinite times between good ones."""
    walls = [T0, T0 + 1, float("nan"), float("inf"), T0 + 3]
    write(folder, [scalar(step, 1.0, wall=wall) for step, wall in enumerate(walls)])


def metadata_once(folder: Path) -> None:
    """Which plugin a tag belongs to stands in its first record alone."""
    first = tensor(0, "loss", 1, (), float_val=[1.0])
    write(folder, [first, *(tensor(step, "loss", 1, (), None, float_val=[1.0 + step]) for step in range(1, 10))])


def plain_and_tensor(folder: Path) -> None:
    """One tag, written in both ways."""
    write(folder, [scalar(0, 1.0), tensor(1, "loss", 1, (), None, float_val=[2.0]), tensor(2, "loss", 1, (), float_val=[3.0])])


def odd_tags(folder: Path) -> None:
    """Tags with markup, control characters, paths, other scripts, and none at all."""
    tags = [
        "a b/c d",
        "/lead",
        "trail/",
        "a//b",
        "",
        " ",
        "[red]x[/red]",
        "[/",
        "日本語/損失",
        "e\u0301mo\u200dji 👩‍👧",
        "a\nb",
        "a\tb",
    ]
    tags += [
        "\x1b[31mred\x1b[0m",
        "..",
        "../../etc",
        "x" * 500,
        "loss/train/extra",
        "100%",
        "{x}",
        "$HOME",
        "\u202eleft",
        "\x00nul",
    ]
    tags += ["loss", "Loss", "LOSS"]
    write(folder, [scalar(step, float(step), tag) for step in range(20) for tag in tags])


def histograms(folder: Path) -> None:
    """Of every shape PyTorch writes; no scalars."""
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder)) as writer:
        for step in range(5):
            writer.add_histogram("normal", np.random.default_rng(step).normal(size=1000), step)
            writer.add_histogram("constant", np.zeros(10), step)
            writer.add_histogram("one", np.array([3.0]), step)
            writer.add_histogram_raw("empty", 0, 0, 0, 0, 0, [], [], step)


def runs_within_a_run(folder: Path) -> None:
    """Runs within a run, at every depth."""
    for part in ("", "train", "validation", "fold/1/2/3/4/5/6/7"):
        write(folder / part, [scalar(step, 1.0) for step in range(10)])


def curves_of_their_own(folder: Path) -> None:
    """PyTorch's `add_scalars` puts each curve into a folder within the run's."""
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder)) as writer:
        for step in range(10):
            writer.add_scalars("loss", {"train": 1.0 / (step + 1), "val": 2.0 / (step + 1)}, step)
            writer.add_scalars("metrics/top", {"1": 0.1 * step, "5/all": 0.2 * step}, step)
            writer.add_scalar("lr", 0.1, step)


def _damaged(folder: Path, harm: Callable[[bytearray, int], object]) -> None:
    file = write(folder, _hundred())
    data = bytearray(file.read_bytes())
    at = 0
    for _ in range(50):  # to where the record of step 50 begins
        at += struct.unpack_from("<Q", data, at)[0] + 16
    harm(data, at)
    file.write_bytes(data)


def one_flipped_bit(folder: Path) -> None:
    """In the value of step 50."""
    _damaged(folder, lambda data, at: data.__setitem__(at + 36, data[at + 36] ^ 1))


def a_length_that_is_wrong(folder: Path) -> None:
    """Of the record of step 50."""
    _damaged(folder, lambda data, at: data.__setitem__(slice(at, at + 8), struct.pack("<Q", 2**40)))


def a_tail_of_zeros(folder: Path) -> None:
    """As a file system leaves it when its machine crashed."""
    _damaged(folder, lambda data, at: data.extend(bytes(4096)))


def cut_within_a_record(folder: Path) -> None:
    """Its end is not written yet, or never will be: no damage."""
    _damaged(folder, lambda data, at: data.__delitem__(slice(at + 20, None)))


# Every kind of scalar: its type's number (tensorflow/core/framework/types.proto), shape, value, and how it is written.
KINDS: dict[str, tuple[int, tuple[int, ...], float, dict[str, Any]]] = {
    "float_val": (1, (), 1.5, {"float_val": [1.5]}),
    "float_content": (1, (), 1.5, {"tensor_content": struct.pack("<f", 1.5)}),
    "double_val": (2, (), 1.5, {"double_val": [1.5]}),
    "double_content": (2, (), 1.5, {"tensor_content": struct.pack("<d", 1.5)}),
    "int32_val": (3, (), -7, {"int_val": [-7]}),
    "int32_content": (3, (), -7, {"tensor_content": struct.pack("<i", -7)}),
    "uint8_val": (4, (), 200, {"int_val": [200]}),
    "uint8_content": (4, (), 200, {"tensor_content": b"\xc8"}),
    "int16_val": (5, (), -7, {"int_val": [-7]}),
    "int16_content": (5, (), -7, {"tensor_content": struct.pack("<h", -7)}),
    "int8_val": (6, (), -7, {"int_val": [-7]}),
    "int8_content": (6, (), -7, {"tensor_content": struct.pack("<b", -7)}),
    "int64_val": (9, (), 7, {"int64_val": [7]}),
    "int64_content": (9, (), 7, {"tensor_content": struct.pack("<q", 7)}),
    "bool_true": (10, (), 1, {"bool_val": [True]}),
    "bool_false": (10, (), 0, {"bool_val": [False]}),
    "bool_content": (10, (), 1, {"tensor_content": b"\x01"}),
    "uint16_val": (17, (), 60000, {"int_val": [60000]}),
    "half_val": (19, (), 1.5, {"half_val": [0x3E00]}),
    "half_content": (19, (), 1.5, {"tensor_content": struct.pack("<e", 1.5)}),
    "shape_1": (1, (1,), 1.5, {"float_val": [1.5]}),
    "shape_1_1": (1, (1, 1), 1.5, {"float_val": [1.5]}),
    "shape_1_content": (2, (1,), 1.5, {"tensor_content": struct.pack("<d", 1.5)}),
}
# What TensorBoard answers with an error, though the message says what it is.
MORE_KINDS: dict[str, tuple[int, tuple[int, ...], float, dict[str, Any]]] = {
    "bfloat16_val": (14, (), 1.5, {"half_val": [0x3FC0]}),
    "bfloat16_content": (14, (), 1.5, {"tensor_content": struct.pack("<H", 0x3FC0)}),
    "uint32_val": (22, (), 7, {"uint32_val": [7]}),
    "uint64_val": (23, (), 7, {"uint64_val": [7]}),
    "absent_is_zero": (1, (), 0.0, {}),
    "absent_bool_is_false": (10, (), 0.0, {}),
}


def kinds_of_scalars(folder: Path) -> None:
    """Scalars as tensors of each type, shape and encoding that TensorBoard knows."""
    write(folder, [tensor(step, tag, kind, shape, **how) for step in range(5) for tag, (kind, shape, _, how) in KINDS.items()])


FOLDERS: tuple[Callable[[Path], None], ...] = (
    restart_in_one_file,
    restart_in_two_files,
    restart_of_one_tag,
    restart_with_purge_step,
    restart_without_going_back,
    names_that_sort_otherwise,
    two_writers_of_two_tags,
    two_writers_of_one_tag,
    steps_of_each_epoch,
    steps_shuffled,
    all_at_step_zero,
    one_tag_twice_in_a_record,
    negative_and_huge_steps,
    values_that_are_not_finite,
    all_nan,
    clock_that_jumps,
    clock_that_is_no_number,
    metadata_once,
    plain_and_tensor,
    odd_tags,
    histograms,
    one_flipped_bit,
    a_length_that_is_wrong,
    a_tail_of_zeros,
    cut_within_a_record,
    runs_within_a_run,
    curves_of_their_own,
    kinds_of_scalars,
)
