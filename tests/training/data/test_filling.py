"""Empty cells of a table, filled as asked: by the training split's statistics only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tuimon.base.errors import TuimonError
from tuimon.spec.loading import load_spec
from tuimon.training.data import Data, load

HOLES = range(0, 40, 5)
ONE = ["NA" if i == 10 else "" if i in HOLES else str(3 * i) for i in range(40)]
TABLE = "id,one,two,kind\n" + "".join(f"{i},{ONE[i]},{'x' if i % 2 else ''},{'ab'[i % 2]}\n" for i in range(40))


def loaded(folder: Path, *settings: str, text: str = TABLE) -> Data:
    """The table as a model gets it, without scaling."""
    (folder / "mine.csv").write_text(text, encoding="utf-8")
    spec = load_spec("digits-mlp", ["data=csv", f"data.path={folder / 'mine.csv'}", "data.scale=none", *settings])
    return load(spec.data, 0, torch.device("cpu"))


@pytest.mark.parametrize(("how", "of"), [("mean", np.mean), ("median", np.median), ("zero", lambda _: 0.0)])
def test_empty_cells_get_a_value_of_the_training_split(tmp_path: Path, how: str, of: object) -> None:
    """In both splits; of a category, an empty cell is in none of its values."""
    data = loaded(tmp_path, f"data.fill={how}")
    assert data.input_names == ("id", "one", "two=x")
    known = [3 * int(i) for i in data.train.inputs[:, 0] if int(i) not in HOLES]
    for split in (data.train, data.val):
        for row in split.inputs.tolist():
            wanted = float(of(known)) if int(row[0]) in HOLES else 3 * row[0]  # type: ignore[operator]
            assert row[1:] == [pytest.approx(wanted, rel=1e-5), row[0] % 2]
    assert any(int(i) in HOLES for i in data.train.inputs[:, 0]) and any(int(i) in HOLES for i in data.val.inputs[:, 0])


def test_without_being_asked_an_empty_cell_is_refused(tmp_path: Path) -> None:
    """The error says that it could be filled; a target's never is."""
    with pytest.raises(TuimonError, match="row 2, column one: is empty") as error:
        loaded(tmp_path)
    assert "data.fill=mean" in str(error.value)
    with pytest.raises(TuimonError, match="row 3, column kind: is empty"):
        loaded(tmp_path, "data.fill=mean", text=TABLE.replace("1,3,x,b", "1,3,x,"))


def test_a_column_without_a_number_in_the_training_split_is_refused(tmp_path: Path) -> None:
    """There is nothing to take the mean of; zero is possible."""
    text = "id,two,kind\n" + "".join(f"{i},{i if i < 2 else ''},{'ab'[i % 2]}\n" for i in range(40))
    with pytest.raises(TuimonError, match="the column two has no number in the training split"):
        loaded(tmp_path, "data.fill=median", "data.train_examples=2", text=text)
    assert not loaded(tmp_path, "data.fill=zero", "data.train_examples=2", text=text).train.inputs[:, 1].any()


def test_only_tables_have_cells_to_fill() -> None:
    """Elsewhere the setting would do nothing."""
    with pytest.raises(TuimonError, match="digits has no fill"):
        load_spec("digits-mlp", ["data.fill=mean"])
