"""Text: its characters as numbers, its windows, and what follows each character."""

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


def test_windows_lie_side_by_side_and_targets_are_one_further():
    """Without a copy of the text."""
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


def test_a_vocabulary_is_every_character_in_order():
    """Numbers are as small as they may be."""
    vocabulary, tokens = encode("hello")
    assert (vocabulary, tokens.tolist(), tokens.dtype) == ("ehlo", [1, 0, 2, 2, 3], torch.uint8)
    many = "".join(chr(0x4E00 + number) for number in range(300)) + "\U0001f600"
    vocabulary, tokens = encode(many)
    assert (vocabulary, tokens.tolist(), tokens.dtype) == (many, list(range(301)), torch.int32)
    assert encode("")[0] == ""


def test_a_text_of_the_users_own_is_split_at_its_end(tmp_path: Path):
    """The last share is for validation; all characters are known to both."""
    path = tmp_path / "mine.txt"
    path.write_text("abcdefghij" * 8 + "0123456789" * 2)
    data = text_data(path, "context=5")
    assert (data.known.input_shape, data.known.outputs, data.task, data.positions) == ((5,), 20, "text", 5)
    assert decoded(data, data.train.inputs[0]) == "abcde"
    assert decoded(data, data.train.targets[0]) == "bcdef"
    assert set(decoded(data, data.val.inputs)) <= set("0123456789")
    assert (len(data.train), len(data.val)) == (15, 3)


def test_the_bundled_text_is_pythons_own_documentation():
    """A few hundred thousand characters, of about a hundred kinds."""
    text = bundled_text()
    assert 'The "with" statement' in text or 'The "with" statement' in text
    data = text_data(None, "context=32")
    assert len(text) > 100_000
    assert 50 < data.known.outputs < 256
    assert (len(data.train) + len(data.val)) * 32 == pytest.approx(len(text), rel=0.001)


def test_a_text_too_short_for_its_context_is_told(tmp_path: Path):
    """With the number of its characters."""
    (tmp_path / "short.txt").write_text("abc" * 10)
    with pytest.raises(TuimonError, match=r"data.context = 64: .*short.txt has only 30 characters for both splits"):
        text_data(tmp_path / "short.txt")
    (tmp_path / "short.txt").write_text("")
    with pytest.raises(TuimonError, match="has only 0 characters"):
        text_data(tmp_path / "short.txt")


def test_a_file_that_is_no_text_is_told_with_its_byte(tmp_path: Path):
    """So that it can be found."""
    (tmp_path / "mine.txt").write_bytes(b"abc\xffdef")
    with pytest.raises(TuimonError, match=r"mine.txt: not a text in UTF-8: byte 3 is 0xff"):
        text_data(tmp_path / "mine.txt")
