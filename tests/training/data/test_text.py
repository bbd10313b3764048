"""Text: characters as numbers, windows as inputs, next characters as targets."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tuimon.base.errors import TuimonError
from tuimon.spec.loading import load_spec
from tuimon.training.data import Data, load
from tuimon.training.data.text import bundled_text, encode, windows

CPU = torch.device("cpu")


def text_data(path: Path | None = None, *overrides: str) -> Data:
    named = [f"data.path={path}"] if path else []
    return load(load_spec("digits-mlp", ["data=text", "model=rnn", *named, *overrides]).data, 0, CPU)


def decoded(data: Data, tokens: torch.Tensor) -> str:
    return "".join(data.class_names[token] for token in tokens.flatten().tolist())


def test_windows_are_adjacent_and_targets_are_shifted_by_one():
    """Both are views of the text, without a copy."""
    tokens = torch.arange(10, dtype=torch.uint8)
    split = windows(tokens, 3)
    assert split.inputs.tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert split.targets.tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert split.inputs.data_ptr() == tokens.data_ptr()
    batch = split.batch(torch.tensor([2, 0]))
    assert (batch.inputs.dtype, batch.targets.dtype) == (torch.int64, torch.int64)
    assert batch.inputs.tolist() == [[6, 7, 8], [0, 1, 2]]
    assert len(windows(tokens[:3], 3)) == 0
    assert windows(tokens[:4], 3).targets.tolist() == [[1, 2, 3]]


def test_a_vocabulary_is_the_sorted_set_of_characters():
    """The numbers have the smallest dtype that fits."""
    vocabulary, tokens = encode("hello")
    assert (vocabulary, tokens.tolist(), tokens.dtype) == ("ehlo", [1, 0, 2, 2, 3], torch.uint8)
    many = "".join(chr(0x4E00 + number) for number in range(300)) + "\U0001f600"
    vocabulary, tokens = encode(many)
    assert (vocabulary, tokens.tolist(), tokens.dtype) == (many, list(range(301)), torch.int32)
    assert encode("")[0] == ""


def test_a_text_of_the_users_own_is_split_at_its_end(tmp_path: Path):
    """The last part is for validation; both splits share one vocabulary."""
    path = tmp_path / "mine.txt"
    path.write_text("abcdefghij" * 8 + "0123456789" * 2)
    data = text_data(path, "context=5")
    assert (data.known.input_shape, data.known.outputs, data.task, data.positions) == ((5,), 20, "text", 5)
    assert decoded(data, data.train.inputs[0]) == "abcde"
    assert decoded(data, data.train.targets[0]) == "bcdef"
    assert set(decoded(data, data.val.inputs)) <= set("0123456789")
    assert (len(data.train), len(data.val)) == (15, 3)


def test_the_bundled_text_is_pythons_own_documentation():
    """A few hundred thousand characters, about a hundred different ones."""
    text = bundled_text()
    assert 'The "with" statement' in text or 'The "with" statement' in text
    data = text_data(None, "context=32")
    assert len(text) > 100_000
    assert 50 < data.known.outputs < 256
    assert (len(data.train) + len(data.val)) * 32 == pytest.approx(len(text), rel=0.001)


def test_a_text_too_short_for_its_context_is_an_error(tmp_path: Path):
    """The message has the number of its characters."""
    (tmp_path / "short.txt").write_text("abc" * 10)
    with pytest.raises(TuimonError, match=r"data.context = 64: .*short.txt has 30 characters, too few for both splits"):
        text_data(tmp_path / "short.txt")
    (tmp_path / "short.txt").write_text("")
    with pytest.raises(TuimonError, match="has 0 characters"):
        text_data(tmp_path / "short.txt")


def test_an_error_about_a_file_that_is_not_text_names_the_byte(tmp_path: Path):
    """So that the user can find it."""
    (tmp_path / "mine.txt").write_bytes(b"abc\xffdef")
    with pytest.raises(TuimonError, match=r"mine.txt: not a UTF-8 text file: byte 3 is 0xff"):
        text_data(tmp_path / "mine.txt")
