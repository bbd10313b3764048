"""The user's own CSV and NPZ files: reading them, and the errors about them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tuimon.base.errors import TuimonError
from tuimon.spec.loading import load_spec
from tuimon.training.data import Data, load
from tuimon.training.data.arrays import read_npz
from tuimon.training.data.raw import Raw
from tuimon.training.data.table import read_csv

FLOWERS = "long,wide,kind\n" + "".join(f"{i},{i / 2},{'abc'[i % 3]}\n" for i in range(30))


def csv(folder: Path, text: str, *overrides: str) -> Raw:
    path = folder / "mine.csv"
    path.write_text(text, encoding="utf-8")
    return read_csv(load_spec("digits-mlp", ["data=csv", f"data.path={path}", *overrides]).data)


def npz(folder: Path, *overrides: str, **arrays: Any) -> Raw:
    path = folder / "mine.npz"
    np.savez(path, **arrays)
    return read_npz(load_spec("digits-mlp", ["data=npz", f"data.path={path}", *overrides]).data)


def whole(name: str, path: Path, *overrides: str) -> Data:
    spec = load_spec(
        "digits-mlp", ["model=rnn", f"data={name}", f"data.path={path}", *overrides]
    )  # a model for any of these data
    return load(spec.data, 0, torch.device("cpu"))


def test_a_table_with_a_column_of_names_is_a_classification(tmp_path: Path):
    """The last column is the target; its sorted texts are the classes."""
    (tmp_path / "mine.csv").write_text(FLOWERS)
    data = whole("csv", tmp_path / "mine.csv", "scale=none")
    assert (data.known.input_shape, data.known.outputs, data.task) == ((2,), 3, "classification")
    assert (data.class_names, data.input_names) == (("a", "b", "c"), ("long", "wide"))
    assert (len(data.train), len(data.val)) == (24, 6)
    for row, kind in zip(data.train.inputs, data.train.targets, strict=True):
        assert int(row[0]) % 3 == kind
        assert float(row[1]) == float(row[0]) / 2


def test_a_path_in_a_file_is_relative_to_that_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A path on the command line is relative to the current folder."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "mine.toml").write_text('[data]\nname = "csv"\npath = "mine.csv"\n')
    monkeypatch.chdir(tmp_path)
    assert load_spec(tmp_path / "sub" / "mine.toml").data.path == str(tmp_path / "sub" / "mine.csv")
    assert load_spec("digits-mlp", ["data=csv", "data.path=mine.csv"]).data.path == str(tmp_path / "mine.csv")


@pytest.mark.parametrize(
    ("target", "outputs", "inputs"), [("wide", 0, 4), ("2", 0, 4), ("1", 0, 4), ("kind", 3, 2), ("3", 3, 2)]
)
def test_the_target_is_given_by_name_or_number(tmp_path: Path, target: str, outputs: int, inputs: int):
    """An input column of texts becomes one column for each of its values."""
    raw = csv(tmp_path, FLOWERS, f"target={target}")
    assert raw.inputs.shape == (30, inputs)
    assert len(raw.class_names) == outputs
    if not outputs:
        assert raw.targets is not None
        assert raw.targets.shape == (30, 1)
        assert raw.input_names[1:] == ("kind=a", "kind=b", "kind=c")
        assert raw.inputs[:3, 1:].tolist() == np.eye(3).tolist()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("1,2,0\n3,4,1\n", ("1", "2")),
        ("a;b;y\n1;2;0\n3;4;1\n", ("a", "b")),
        ("a\tb\ty\n1\t2\t0\n3\t4\t1\n\n", ("a", "b")),
        ('"a, long","b",y\n"1","2",0\n3,4,1', ("a, long", "b")),
        ("\ufeffa,b,y\r\n1,2,0\r\n3,4,1\r\n", ("a", "b")),
        ("a;b, too;y\n1,0;2;0\n3;+4,0;1\n", ("a", "b, too")),
        ("a,b,y\n\n1,2,0\n , ,\n3,4,1\n,,\n", ("a", "b")),
    ],
    ids=["no names", "semicolons", "tabs", "quotes", "from a spreadsheet", "decimal commas", "empty rows"],
)
def test_the_usual_kinds_of_file_are_read(tmp_path: Path, text: str, names: tuple[str, ...]):
    """Columns without names are numbered."""
    raw = csv(tmp_path, text)
    assert raw.inputs.tolist() == [[1, 2], [3, 4]]
    assert raw.input_names == names
    assert raw.class_names == ("0", "1")


@pytest.mark.parametrize(
    ("values", "task", "outputs"),
    [
        ([0, 1, 2, 1], "auto", 3),
        ([-1, 1, 1, -1], "auto", 2),
        ([0.5, 1, 2, 1], "auto", 0),
        (range(40), "auto", 0),
        ([0, 1, 2, 1], "regression", 0),
        ([0.5, 1.5, 0.5, 1.5], "classification", 2),
    ],
)
def test_the_task_follows_from_the_target_or_is_given(tmp_path: Path, values: Any, task: str, outputs: int):
    """A few different whole numbers are classes, other numbers are values."""
    raw = csv(tmp_path, "x,y\n" + "".join(f"{i},{y}\n" for i, y in enumerate(values)), f"task={task}")
    assert len(raw.class_names) == outputs
    assert raw.known.task == ("classification" if outputs else "regression")


def test_a_table_can_be_reconstructed(tmp_path: Path):
    """All of its columns, unless a target is named."""
    assert csv(tmp_path, "1,2\n3,4\n", "task=reconstruction").inputs.shape == (2, 2)
    raw = csv(tmp_path, "1,2\n3,4\n", "task=reconstruction", "target=2")
    assert raw.inputs.shape == (2, 1)


@pytest.mark.parametrize(
    ("text", "overrides", "message"),
    [
        ("a,b,y\n1,2,0\n1,x,1\n", (), "{path}, row 3, column b: 'x' is not a finite number"),
        ("a,b,y\n1,2,0\n1,,1\n", (), "{path}, row 3, column b: is empty"),
        ("1,2,0\n1,nan,1\n", (), "{path}, row 2, column 2: 'nan' is not a finite number"),
        ("a,b,y\n\n1,2,0\n\n1,x,1\n", (), "{path}, row 5, column b: 'x' is not a finite number"),
        ("a,b,y\n1,2,0\n1,-1e300,1\n", (), "{path}, row 3, column b: '-1e300' is too large for float32"),
        ("1,2,0\n1,1e999,1\n", (), "{path}, row 2, column 2: '1e999' is not a finite number"),
        ("a,b,y\n1,2,0\n1,2\n", (), "{path}, row 3: has 2 cells, but the first row has 3"),
        ("a,b,a\n1,2,0\n1,2,0\n", (), "{path}, row 1: two columns are named a"),
        ("a,b\nx,\ny,\n", (), "{path}, row 2, column b: is empty"),
        ("a,b,y\n1,2,u\n1,2,\n", (), "{path}, row 3, column y: is empty"),
        ("a,b,y\n1,2,u\n1,2,v\n", ("task=regression",), "{path}, row 2, column y: 'u' is not a finite number"),
        ("", (), "{path}: has 0 rows of data, but needs at least 2"),
        ("a,b,y\n1,2,3\n", (), "{path}: has 1 rows of data, but needs at least 2"),
        ("a\n1\n2\n", (), "{path}: has only one column, but needs inputs and a target"),
        ("long,y\n1,2\n3,4\n", ("target=lang",), "data.target = 'lang': {path} has no such column; did you mean long?"),
        ("a,y\n1,2\n3,4\n", ("target=7",), "data.target = '7': {path} has no such column; it has a, y"),
    ],
)
def test_an_error_in_a_table_names_its_place(tmp_path: Path, text: str, overrides: tuple[str, ...], message: str):
    """The file, the row as an editor counts it, and the column."""
    with pytest.raises(TuimonError) as raised:
        csv(tmp_path, text, *overrides)
    assert raised.value.message == message.format(path=tmp_path / "mine.csv")


@pytest.mark.parametrize("name", ["csv", "npz", "text"])
def test_a_missing_file_is_an_error(tmp_path: Path, name: str):
    """The message has its full path and the key that names it."""
    with pytest.raises(TuimonError, match=rf"data.path: {tmp_path}/gone cannot be read: No such file"):
        whole(name, tmp_path / "gone")


def test_a_table_that_is_not_text_is_an_error(tmp_path: Path):
    """Such as a spreadsheet file."""
    (tmp_path / "mine.csv").write_bytes(b"PK\x03\x04\xff\xfe")
    with pytest.raises(TuimonError, match=r"mine.csv: not a UTF-8 CSV file"):
        whole("csv", tmp_path / "mine.csv")


def test_arrays_of_numbers_are_read(tmp_path: Path):
    """Whole numbers as targets are classes, other numbers are values, in one or more columns."""
    x = np.arange(12.0).reshape(4, 3)
    raw = npz(tmp_path, x=x, y=np.array([5, 7, 5, 7]))
    assert raw.targets is not None
    assert (raw.targets.tolist(), raw.class_names) == ([0, 1, 0, 1], ("5", "7"))
    assert (raw.inputs == x).all()
    assert npz(tmp_path, x=x, y=np.array(["b", "a", "b", "a"])).class_names == ("a", "b")
    assert npz(tmp_path, x=x, y=x[:, :2]).known.outputs == 2
    assert npz(tmp_path, "task=regression", x=x, y=np.array([[5], [7], [5], [7]])).known.task == "regression"
    assert npz(tmp_path, "target=x2", x=x, x2=x[:, 0]).known == (4, (3,), 1, "regression")
    assert npz(tmp_path, "task=reconstruction", x=x).targets is None
    assert npz(tmp_path, x=np.arange(4), y=np.arange(4) % 2).inputs.shape == (4, 1)


@pytest.mark.parametrize(
    ("shape", "expected"), [((4, 5, 6), (4, 1, 5, 6)), ((4, 5, 6, 3), (4, 3, 5, 6)), ((4, 3, 6, 6), (4, 3, 6, 6))]
)
def test_bytes_are_images_with_channels_first(tmp_path: Path, shape: tuple[int, ...], expected: tuple[int, ...]):
    """However they were saved; arrays of other dtypes keep their shape."""
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    raw = npz(tmp_path, x=images, y=np.arange(4) % 2)
    assert raw.inputs.shape == expected
    assert raw.inputs.sum() == images.sum()
    assert npz(tmp_path, x=images.astype(np.float64), y=np.arange(4) % 2).inputs.shape == shape


def test_published_splits_of_arrays_are_kept(tmp_path: Path):
    """As in the files of Keras."""
    np.savez(
        tmp_path / "mine.npz", x_train=np.ones((6, 2)), y_train=np.arange(6) % 2, x_test=np.zeros((2, 2)), y_test=np.arange(2)
    )
    data = whole("npz", tmp_path / "mine.npz", "scale=none")
    assert (data.train.inputs.mean(), data.val.inputs.mean(), len(data.val)) == (1, 0, 2)


@pytest.mark.parametrize(
    ("arrays", "overrides", "message"),
    [
        ({"a": np.zeros((2, 3))}, (), "{path}: has no inputs: expected one of x, X, inputs, data, images; it has a [2, 3]"),
        ({"x": np.zeros((2, 3))}, (), "{path}: has no targets: expected one of y, Y, targets, target, labels; it has x [2, 3]"),
        ({"x": np.zeros((2, 3)), "y": np.zeros(3)}, (), "{path}: x has 2 rows, but y has 3"),
        ({"x": np.array([[0, 1], [2, np.nan]]), "y": np.zeros(2)}, (), "{path}: x[1, 1] is not a finite number"),
        ({"x": np.array([[0], [1e300]]), "y": np.zeros(2)}, (), "{path}: x[1, 0] is not a finite number"),
        ({"x": np.array(["a", "b"]), "y": np.zeros(2)}, (), "{path}: x must be numeric, but its dtype is <U1"),
        ({"x": np.zeros((2, 0, 3))[:0], "y": np.zeros(0)}, (), "{path}: x is empty"),
        ({"x": np.zeros(2), "y": np.array(["a", "b"])}, ("task=regression",), "{path}: y [2] of <U1 does not fit regression"),
        ({"x": np.zeros(2), "y": np.zeros((2, 2))}, ("task=classification",),
         "{path}: y [2, 2] of float64 does not fit classification"),
    ],
)  # fmt: skip
def test_an_error_in_arrays_names_its_place(tmp_path: Path, arrays: dict[str, Any], overrides: tuple[str, ...], message: str):
    """The file, the array and the index."""
    with pytest.raises(TuimonError) as raised:
        npz(tmp_path, *overrides, **arrays)
    assert raised.value.message == message.format(path=tmp_path / "mine.npz")


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 cut off"])
def test_a_file_that_is_not_npz_is_an_error(tmp_path: Path, content: bytes):
    """None of its content is run."""
    (tmp_path / "mine.npz").write_bytes(content)
    with pytest.raises(TuimonError, match=r"mine.npz: not an NPZ file of numbers"):
        whole("npz", tmp_path / "mine.npz")


def test_a_pickle_among_the_arrays_is_refused(tmp_path: Path):
    """A pickle could run any code."""
    with pytest.raises(TuimonError, match=r"mine.npz: not an NPZ file of numbers: Object arrays cannot be loaded"):
        npz(tmp_path, x=np.array([{}, {}], dtype=object), y=np.zeros(2))


def test_an_array_without_a_name_is_an_error(tmp_path: Path):
    """The hint says how to save it."""
    with open(tmp_path / "mine.npz", "wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(TuimonError, match="contains a single array without a name"):
        whole("npz", tmp_path / "mine.npz")


def test_settings_that_do_not_fit_a_file_are_refused_once_it_is_read(tmp_path: Path):
    """Its contents are unknown before."""
    (tmp_path / "mine.csv").write_text(FLOWERS)
    with pytest.raises(TuimonError, match=r"data.classes = 4: must be from 2 to 3, the classes of csv"):
        whole("csv", tmp_path / "mine.csv", "classes=4")
    with pytest.raises(TuimonError, match=r"data.shift: csv has no images"):
        whole("csv", tmp_path / "mine.csv", "shift=1")
    assert whole("csv", tmp_path / "mine.csv", "classes=2").known.outputs == 2
    (tmp_path / "mine.csv").write_text("a,y\n1,yes\n2,yes\n")
    with pytest.raises(TuimonError, match=r"data.target: all targets of csv are the same class"):
        whole("csv", tmp_path / "mine.csv")
