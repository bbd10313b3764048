"""Any log is read as TensorBoard's own page shows it: the same curves, and point by point the same."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from tensorboard.compat.proto.event_pb2 import Event

from conftest import wait_until
from event_folders import FIRST, FOLDERS, KINDS, MORE_KINDS, T0, scalar, tensor, write
from tensorboard_page import Curve, Page
from tuimon.launcher.runs.runs import list_runs, run_name
from tuimon.log.reader import RunReader, read_run
from tuimon.log.series import in_force
from tuimon.log.store import Store

NAMES = [make.__name__ for make in FOLDERS]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every log in it."""
    root = tmp_path_factory.mktemp("logdir")
    for make in FOLDERS:
        make(root / make.__name__)
    (root / "linked").symlink_to("two_writers_of_one_tag")
    (root / "broken").symlink_to("nowhere")
    (root / "loop").symlink_to(".")
    (root / "deep" / "er").mkdir(parents=True)
    (root / "deep" / "er" / "fold").symlink_to(root / "runs_within_a_run" / "fold")
    (root / "deep" / "er" / "up").symlink_to("..")
    (root / "linked_file").mkdir()
    (root / "linked_file" / FIRST).symlink_to(root / "all_nan" / FIRST)
    return root


@pytest.fixture(scope="module")
def page(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """TensorBoard as it comes, with its data server."""
    if not _has_data_server():
        pytest.skip("TensorBoard's data server is not available on this platform: pip install tensorboard-data-server")
    page = Page(root, tmp_path_factory.mktemp("work"))
    yield page
    page.close()


@pytest.fixture(scope="module")
def python_page(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """TensorBoard with its reader in Python, which knows more types."""
    page = Page(root / "kinds_of_scalars", tmp_path_factory.mktemp("work"), fast=False)
    yield page
    page.close()


def _has_data_server() -> bool:
    try:
        import tensorboard_data_server
    except ImportError:
        return False
    return tensorboard_data_server.server_binary() is not None


def curves(store: Store) -> dict[str, Curve]:
    """What tuimon shows, as the page answers it."""
    return {tag: list(zip(s.steps.tolist(), s.values.tolist(), strict=True)) for tag, s in store.series.items()}


def same(ours: dict[str, Curve], theirs: dict[str, Curve]) -> bool:
    """Whether the curves are the same; NaN is."""
    return repr(sorted(ours.items())) == repr(sorted(theirs.items()))


# On these the page shows less than the log holds.
SHOWS_LESS = {"kinds_of_scalars", "clock_that_is_no_number"}
OTHERWISE = {*SHOWS_LESS, "curves_of_their_own", "one_flipped_bit"}
# The curves of `add_scalars`: what each is called in its run, its own folder, and the tag there.
BRANCHES = {
    "loss/train": ("loss_train", "loss"),
    "loss/val": ("loss_val", "loss"),
    "metrics/top/1": ("metrics_top_1", "metrics/top"),
    "metrics/top/5/all": ("metrics_top_5/all", "metrics/top"),
}


@pytest.mark.parametrize(
    "name", [name for name in NAMES if name not in {*SHOWS_LESS, "curves_of_their_own", "one_flipped_bit"}]
)
def test_a_run_has_the_curves_that_tensorboard_shows(root: Path, page: Page, name: str) -> None:
    """Tag by tag, step by step, value by value, over restarts, several writers, and whatever stands in tags."""
    ours = curves(read_run(root / name))
    wait_until(lambda: same(ours, page.scalars(name)), what=f"TensorBoard shows {ours}")


def test_scalars_of_every_kind_are_shown_as_the_python_reader_shows_them(root: Path, python_page: Page) -> None:
    """Every type, in every encoding, of no dimension or of one element."""
    ours = curves(read_run(root / "kinds_of_scalars"))
    assert {tag: [value for _, value in curve] for tag, curve in ours.items()} == {
        tag: [value] * 5 for tag, (_, _, value, _) in KINDS.items()
    }
    wait_until(lambda: same(ours, python_page.scalars(".")), what=f"TensorBoard shows {ours}")


def test_curves_that_have_folders_of_their_own_are_also_the_runs(root: Path, page: Page) -> None:
    """TensorBoard shows the same curves, each as a run."""
    run = root / "curves_of_their_own"
    ours = curves(read_run(run))
    assert sorted(ours) == sorted([*BRANCHES, "lr"])
    alone = {folder: {tag: ours[name]} for name, (folder, tag) in BRANCHES.items()}
    assert alone == {folder: curves(read_run(run / folder)) for folder in alone}
    alone["."] = {"lr": ours["lr"]}
    for folder, expected in alone.items():
        name = os.path.normpath(f"{run.name}/{folder}")
        wait_until(
            lambda name=name, expected=expected: same(expected, page.scalars(name)), what=f"TensorBoard shows {expected}"
        )


def test_of_a_damaged_record_the_others_are_read_as_there(root: Path, page: Page) -> None:
    """TensorBoard does not check a record's bytes and shows whatever value they make; here that one is left out, and told."""
    store = read_run(root / "one_flipped_bit")
    ours = curves(store)["loss"]
    assert [step for step, _ in ours] == [step for step in range(100) if step != 50]
    wait_until(lambda: len(page.scalars("one_flipped_bit").get("loss", ())) == 100, what="TensorBoard shows 100 points")
    assert [point for point in page.scalars("one_flipped_bit")["loss"] if point[0] != 50] == ours
    (damage,) = store.damage
    assert damage.left_out == 1 and "the record at byte" in str(damage) and "is left out (" in str(damage)


@pytest.mark.parametrize(("name", "bytes_lost"), [("a_length_that_is_wrong", None), ("a_tail_of_zeros", 4096)])
def test_where_and_how_much_cannot_be_read_is_told(root: Path, name: str, bytes_lost: int | None) -> None:
    """From the byte on where no record can be found any more."""
    (file,) = (root / name).iterdir()
    (damage,) = read_run(root / name).damage
    size = file.stat().st_size
    assert damage.bytes == size - damage.offset and damage.bytes == (bytes_lost or damage.bytes) > size // 3
    size_told = f"{damage.bytes:,} bytes cannot be read".replace(",", " ")
    assert f"is damaged at byte {damage.offset}: a record's length" in str(damage) and str(damage).endswith(size_told)
    assert not read_run(root / "cut_within_a_record").damage


def test_the_runs_are_those_that_tensorboard_lists(root: Path, page: Page) -> None:
    """At every depth, by the same names, through links, but not through one that leads back to where it lies."""
    listed = sorted(run_name(run, root) for run in list_runs(root))
    plain = [os.path.relpath(path, root) for path, _, files in os.walk(root) if any("tfevents" in file for file in files)]
    assert listed == sorted([*plain, "linked", "deep/er/fold/1/2/3/4/5/6/7"])
    wait_until(lambda: page.runs() == listed, what=f"TensorBoard lists {listed}")


def test_the_data_server_shows_no_other_values(root: Path, page: Page) -> None:
    """Of the kinds it knows, it answers the same; of a curve with an impossible time, its beginning."""
    for name in SHOWS_LESS:
        ours = curves(read_run(root / name))
        wait_until(lambda name=name: page.scalars(name), what=name)
        theirs = page.scalars(name)
        assert theirs and all(curve == ours[tag][: len(curve)] for tag, curve in theirs.items())


def test_scalars_that_tensorboard_cannot_show_are_shown(tmp_path: Path) -> None:
    """Of bfloat16 and unsigned types, and zeros that were left out as protobuf does."""
    write(tmp_path, [tensor(0, tag, kind, shape, **how) for tag, (kind, shape, _, how) in MORE_KINDS.items()])
    store = read_run(tmp_path)
    assert {tag: series.last for tag, series in store.series.items()} == {tag: kind[2] for tag, kind in MORE_KINDS.items()}
    assert not store.unshown


def test_what_is_no_scalar_is_told_by_its_tag(tmp_path: Path) -> None:
    """Vectors, nothing at all, cut off content, types that are no numbers, and the data of plugins tuimon has no page for."""
    events = [
        tensor(0, "vector", 1, (3,), float_val=[1.0, 2.0, 3.0]),
        tensor(0, "empty", 1, (0,)),
        tensor(0, "two for one", 1, (), float_val=[1.0, 2.0]),
        tensor(0, "cut", 1, (), tensor_content=b"abc"),
        tensor(0, "complex", 8, (), scomplex_val=[1.0, 2.0]),
        tensor(0, "huge", 2, (), double_val=[1e300]),
        tensor(0, "curve", 1, (6, 4), "pr_curves", float_val=[0.5]),
        tensor(0, "picture", 7, (3,), "images", string_val=[b"1", b"1", b"\x89PNG"]),
        tensor(0, "own", 1, (), "somebodys", float_val=[1.0]),
        tensor(0, "_hparams_/experiment", 1, (1,), "hparams", float_val=[0.0]),
        scalar(0, 1.0, "good"),
    ]
    write(tmp_path, events + events)
    store = read_run(tmp_path)
    assert sorted(store.series) == ["good", "huge"] and not store.texts
    assert store.unshown == {
        "vector": "a tensor of shape [3], not a single number",
        "empty": "a tensor of shape [0], not a single number",
        "two for one": "2 numbers in a tensor of shape []",
        "cut": "3 bytes of float, which takes 4",
        "complex": "a tensor of type 8, which is no real number",
        "huge": "1e+300, which is beyond float32",
        "curve": "a precision-recall curve",
        "picture": "an image",
        "own": "data of the plugin somebodys",
    }


@pytest.mark.parametrize("max_bytes", [11, 1000])
@pytest.mark.parametrize("make", FOLDERS, ids=NAMES)
def test_attaching_early_shows_the_same(tmp_path: Path, make: Callable[[Path], None], max_bytes: int) -> None:
    """However the bytes of a file arrive, what was replaced is replaced."""
    make(tmp_path)
    whole = read_run(tmp_path)
    reader, store = RunReader(tmp_path), Store()
    while found := reader.read(max_bytes):
        store.apply(found)
    reader.close()
    assert same(curves(store), curves(whole)) and (store.step, store.unshown) == (whole.step, whole.unshown)


def test_a_point_stands_if_every_later_one_has_a_larger_step() -> None:
    """The bulk version equals the plain one, over all orders of few steps."""
    rng = np.random.default_rng(0)
    for length in range(1, 9):
        for steps in rng.integers(-3, 4, (200, length)):
            plain: list[int] = []
            for place, step in enumerate(steps):
                plain = [earlier for earlier in plain if steps[earlier] < step] + [place]
            kept = in_force(steps)
            assert (np.arange(length) if kept is None else np.flatnonzero(kept)).tolist() == plain


def test_the_step_is_the_largest_and_times_are_those_of_a_clock(tmp_path: Path) -> None:
    """In whatever order they were logged."""
    FOLDERS[NAMES.index("steps_shuffled")](tmp_path / "shuffled")
    FOLDERS[NAMES.index("clock_that_is_no_number")](tmp_path / "clock")
    assert read_run(tmp_path / "shuffled").step == 199
    store = read_run(tmp_path / "clock")
    assert (store.first_wall, store.last_wall) == (T0, T0 + 3) and len(store["loss"]) == 5
    write(tmp_path / "none", [scalar(0, 1.0, wall=math.nan), scalar(1, 1.0, wall=math.inf)])
    assert math.isnan(read_run(tmp_path / "none").first_wall)


@pytest.mark.filterwarnings("error")
def test_a_nan_of_any_bit_pattern_is_a_nan_without_a_warning(tmp_path: Path) -> None:
    """Processors raise a flag when a signalling NaN is converted, of which numpy warns; other programs write such."""
    simple = Event.FromString(scalar(1, 0.5).SerializeToString().replace(b"\x00\x00\x00?", b"\x01\x00\x80\x7f"))
    kinds = {"float": (1, b"\x01\x00\x80\x7f"), "double": (2, b"\x01" + 5 * b"\x00" + b"\xf0\x7f")}
    kinds |= {"half": (19, b"\x01\x7c"), "bfloat16": (14, b"\x81\x7f")}
    events = [tensor(1, tag, kind, (), tensor_content=content) for tag, (kind, content) in kinds.items()]
    path = write(tmp_path, [simple, *events])
    assert b"\x01\x00\x80\x7f" in path.read_bytes()
    store = read_run(tmp_path)
    assert store.series.keys() == {"loss", *kinds}
    for series in store.series.values():
        assert np.isnan(series.values.astype(np.float64)).tolist() == [True]
