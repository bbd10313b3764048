"""`--on user@host`: what is called there. The connection itself is tried in `test_over_ssh`."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tuimon.base.errors import TuimonError
from tuimon.cli.elsewhere import call_there, command, is_elsewhere
from tuimon.cli.main import main
from tuimon.cli.parser import parse


def called(arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The words that ssh gets."""
    (tmp_path / "ssh").write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/words\nexit 7\n')
    (tmp_path / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert main(arguments) == 7
    return (tmp_path / "words").read_text().splitlines()


@pytest.mark.parametrize(
    ("arguments", "there"),
    [
        ("run --on me@gpu7 digits-mlp lr=0.1 --detach", "exec tuimon run digits-mlp lr=0.1 --detach"),
        ("run --on=me@gpu7:work train.py --on 2", "cd work && exec tuimon run train.py --on 2"),
        ("resume --on 'me@gpu7:~/my work' a epochs=2", "cd ~/'my work' && exec tuimon resume a epochs=2"),
        ("fork --memory 8G a@10 --on me@gpu7:~ lr_scale=0.5", "cd ~ && exec tuimon fork --memory 8G a@10 lr_scale=0.5"),
        ("search train.py --lr='log(1,2)'", ""),
        ("search --on me@gpu7 train.py '--lr=log(1,2)'", "exec tuimon search train.py '--lr=log(1,2)'"),
    ],
)
def test_the_same_words_are_called_there(arguments: str, there: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All but `--on` itself; what follows a program is the program's."""
    words = shlex.split(arguments)
    if there:
        assert called(words, tmp_path, monkeypatch) == ["-T", "--", "me@gpu7", there]
    else:
        assert not is_elsewhere(parse(words).on)


def test_nothing_becomes_an_option_or_another_command() -> None:
    """Hosts that ssh would take for options are no hosts, and a folder is one word."""
    for wrong in ("-oProxyCommand=x@y", "me@-v", "me@", "@host", "local:2", "me@a b", "me@host;ls"):
        assert not is_elsewhere(wrong)
    assert command(["tuimon"], "a;rm") == "cd 'a;rm' && exec tuimon"


def test_on_must_not_be_shortened() -> None:
    """Else the other machine would pass it on for ever."""
    arguments = ["run", "--o", "me@gpu7", "digits-mlp"]
    with pytest.raises(TuimonError, match="in full"):
        call_there(parse(arguments), arguments)
