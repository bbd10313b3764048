"""A folder of pictures as data: class folders, splits, sizes, and the errors about them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tuimon.base.errors import TuimonError
from tuimon.spec.files import check_files
from tuimon.spec.loading import load_spec
from tuimon.training.data import Data, load


def picture(path: Path, grey: int, size: tuple[int, int] = (6, 4), mode: str = "L") -> None:
    """A picture of one colour, width and height given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, grey).convert(mode).save(path)


def loaded(root: Path, *settings: str) -> Data:
    """The folder as a model gets it, without scaling."""
    spec = load_spec("digits-mlp", ["data=folder", f"data.path={root}", "data.scale=none", *settings])
    check_files(spec)
    return load(spec.data, 0, torch.device("cpu"))


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Dark cats and bright dogs, in files of several kinds; other files beside them."""
    for number in range(10):
        picture(tmp_path / "pets" / "dog" / "more" / f"{number}.{'png' if number % 2 else 'bmp'}", 200 + number)
        picture(tmp_path / "pets" / "cat" / f"{number}.PNG", number)
    (tmp_path / "pets" / "cat" / "notes.txt").write_text("not a picture")
    (tmp_path / "pets" / ".hidden").mkdir()
    return tmp_path / "pets"


def test_class_folders_are_classes(pets: Path) -> None:
    """In the order of their names; grey pictures have one channel, and a split has both classes."""
    data = loaded(pets)
    assert data.class_names == ("cat", "dog") and data.known.input_shape == (1, 4, 6)
    assert (len(data.train), len(data.val)) == (16, 4) and data.val.targets.tolist().count(0) == 2
    for split in (data.train, data.val):
        assert ((split.inputs.mean((1, 2, 3)) > 100).long() == split.targets).all()


def test_one_picture_in_colour_makes_all_of_them_so(pets: Path) -> None:
    """Three channels, the same for a grey one."""
    picture(pets / "cat" / "red.png", 7, mode="RGB")
    data = loaded(pets)
    assert data.known.input_shape == (3, 4, 6)
    assert torch.equal(data.train.inputs[:, 0], data.train.inputs[:, 2])


def test_folders_of_splits_are_the_splits(tmp_path: Path) -> None:
    """The classes of the validation split are among those of training."""
    for split, count in (("train", 5), ("valid", 2)):
        for kind, grey in (("a", 10), ("b", 90)):
            for number in range(count):
                picture(tmp_path / split / kind / f"{number}.png", grey)
    data = loaded(tmp_path)
    assert (len(data.train), len(data.val)) == (10, 4)
    assert data.val.targets.tolist() == [0, 0, 1, 1]
    picture(tmp_path / "valid" / "c" / "0.png", 1)
    with pytest.raises(TuimonError, match=r"valid/c: there is no such class in .*train"):
        loaded(tmp_path)


def test_sizes_must_be_equal_or_are_made_so(pets: Path) -> None:
    """The error names two files and the setting."""
    picture(pets / "dog" / "wide.png", 9, (12, 4))
    with pytest.raises(TuimonError, match=r"wide.png: has 12×4 pixels, but .* has 6×4") as error:
        loaded(pets)
    assert "data.size=64" in str(error.value)
    data = loaded(pets, "data.size=8")
    assert data.known.input_shape == (1, 8, 8)
    assert np.isclose(float(data.train.inputs.max()), 209, atol=1)


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n\0\0"])
def test_a_damaged_file_is_named(pets: Path, content: bytes) -> None:
    """Rather than left out without a word."""
    (pets / "cat" / "bad.png").write_bytes(content)
    with pytest.raises(TuimonError, match=r"bad\.png: cannot be read as a picture"):
        loaded(pets)


def test_more_than_eight_bits_are_refused(pets: Path) -> None:
    """Pillow would cut them off without a word."""
    Image.fromarray(np.full((4, 6), 40_000, np.uint16)).save(pets / "cat" / "deep.png")
    with pytest.raises(TuimonError, match=r"deep\.png: cannot be read as a picture: it has more than 8 bits"):
        loaded(pets)


def test_a_folder_without_classes_is_told_what_to_do(tmp_path: Path) -> None:
    """Before anything starts if it is not there at all."""
    picture(tmp_path / "only" / "one" / "1.png", 1)
    with pytest.raises(TuimonError, match="no folders of pictures for two or more classes"):
        loaded(tmp_path / "only")
    with pytest.raises(TuimonError, match=r"missing cannot be read: No such file") as error:
        loaded(tmp_path / "missing")
    assert "Name a folder of pictures, or a CSV file that names them, with data.path." in str(error.value)
    with pytest.raises(TuimonError, match="folder needs the path of a folder with a folder of pictures for each class"):
        load_spec("digits-mlp", ["data=folder"])


def test_its_settings_are_refused_elsewhere() -> None:
    """They would do nothing."""
    with pytest.raises(TuimonError, match="digits has no size"):
        load_spec("digits-mlp", ["data.size=8"])
    with pytest.raises(TuimonError, match="a folder's classes are its folders"):
        load_spec("digits-mlp", ["data=folder", "data.path=x", "data.target=y"])


def test_a_table_names_the_pictures(pets: Path) -> None:
    """Relative to itself, in any column; another column has the classes, or values to predict."""
    names = [f"cat/{number}.PNG" for number in range(10)] + [
        f"dog/more/{number}.{'png' if number % 2 else 'bmp'}" for number in range(10)
    ]
    rows = [f"{number % 3},{name},{name[:3]},{number / 2 + 0.25}" for number, name in enumerate(names)]
    (pets / "labels.csv").write_text("\n".join(["fold,file,kind,age", *rows]))
    data = loaded(pets / "labels.csv", "data.target=kind")
    assert data.class_names == ("cat", "dog") and data.known.input_shape == (1, 4, 6)
    assert ((data.train.inputs.mean((1, 2, 3)) > 100).long() == data.train.targets).all()
    ages = loaded(pets / "labels.csv", "data.target_scale=none")
    assert ages.task == "regression" and ages.known.outputs == 1
    cats = ages.train.inputs.mean((1, 2, 3)) < 100
    assert torch.equal(ages.train.targets[cats, 0], ages.train.inputs[cats].mean((1, 2, 3)) / 2 + 0.25)


@pytest.mark.parametrize(
    ("table", "settings", "why"),
    [
        ("file,kind\ncat/0.PNG,a\ncat/99.PNG,b", (), r"labels.csv, row 3, column file: there is no file .*cat/99.PNG"),
        ("name,kind\ncat/0.PNG,a\nnone,b", (), "has no column in which each cell names a picture"),
        ("file\ncat/0.PNG\ncat/1.PNG", (), "has nothing to predict but the pictures' names, in file"),
        ("file,kind\ncat/0.PNG,a\ncat/1.PNG,b", ("data.target=file",), "has nothing to predict but the pictures' names"),
        ("file,kind\ncat/0.PNG,a\ncat/1.PNG,b", ("data.target=king",), "has no such column; did you mean kind"),
        ("file,kind\ncat/0.PNG,a\ncat/1.PNG,a", (), "are the same class"),
    ],
)
def test_what_is_wrong_with_a_table_is_said(pets: Path, table: str, settings: tuple[str, ...], why: str) -> None:
    """With its place."""
    (pets / "labels.csv").write_text(table)
    with pytest.raises(TuimonError, match=why):
        loaded(pets / "labels.csv", *settings)
