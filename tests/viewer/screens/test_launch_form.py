"""What the Launch screen's fields mean, and the command that says the same."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tuimon.base.errors import TuimonError
from tuimon.spec.loading import load_spec, save_spec
from tuimon.viewer.screens import launch_form as form


def of(**texts: str) -> dict[str, str]:
    """The fields that are not in the spec."""
    return {form.NAME: "", form.AUTOPILOT: form.OFF, form.MORE: "", **texts}


def test_untouched_fields_are_the_preset() -> None:
    """An unchanged form gives the preset's spec, without overrides."""
    spec = load_spec("digits-mlp")
    assert form.spec_of("digits-mlp", form.texts_of(spec)) == spec


def test_the_note_beside_a_field_says_more_than_its_label() -> None:
    """For example what 0 means, where that is not obvious."""
    assert [row.label for row in form.ROWS if form.help_of(row.key).lower() == row.label.lower()] == []
    assert "0: no clipping" in form.help_of("regularization.clip_norm")


def test_the_shell_command_makes_the_same_spec(tmp_path: Path) -> None:
    """Including lists, and settings typed under `more`."""
    texts = form.texts_of(load_spec("digits-mlp")) | {
        "optimizer.lr": "0.02",
        "model.hidden": "64, 32",
        form.MORE: "precision=bfloat16",
    }
    spec = form.spec_of("digits-mlp", texts)
    command = shlex.split(form.shell_command(spec, "digits-mlp", of(name="mine"), tmp_path))
    assert command[:3] == ["tuimon", "run", "digits-mlp"]
    assert command[-4:] == ["--name", "mine", "--runs-dir", str(tmp_path)]
    assert load_spec("digits-mlp", command[3:-4]) == spec


def test_the_usual_folder_is_not_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The command stays short for default settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TUIMON_RUNS", raising=False)
    assert form.shell_command(load_spec("digits-mlp"), "digits-mlp", of(), tmp_path / "runs") == "tuimon run digits-mlp"


def test_the_shell_command_begins_with_what_was_chosen(tmp_path: Path) -> None:
    """Even if the file that a spec was made from no longer exists."""
    save_spec(load_spec("digits-mlp", ["epochs=2"]), tmp_path)
    path = tmp_path / "spec.toml"
    path.write_text(path.read_text().replace('"digits-mlp"', '"/gone.toml"'))
    spec = load_spec(tmp_path, ["lr=0.5"])
    command = shlex.split(form.shell_command(spec, str(tmp_path), of(), tmp_path))
    assert command[:4] == ["tuimon", "run", str(tmp_path), "lr=0.5"]
    assert load_spec(tmp_path, command[3:4]) == spec


@pytest.mark.parametrize(
    ("key", "text", "says"),
    [
        ("optimizer.lr", "fast", "number"),
        ("optimizer.lr", "-1", "above 0"),
        ("training.epochs", "1.5", "whole number"),
        ("training.device", "gpu", "cuda"),
        (form.NAME, "a/b", "/"),
        (form.MORE, "lr", "key=value"),
        (form.MORE, "learning=1", "no such key"),
        (form.PRESET, "digits-mpl", "digits-mlp"),
    ],
)
def test_a_wrong_field_says_what_is_allowed(key: str, text: str, says: str) -> None:
    """The message fits beside the field."""
    assert says in form.problem(key, text)


@pytest.mark.parametrize(
    ("key", "text"), [("optimizer.lr", "1e-3"), ("training.device", "cuda:1"), (form.NAME, ""), (form.MORE, "")]
)
def test_a_right_field_says_nothing(key: str, text: str) -> None:
    """The form accepts what the spec accepts."""
    assert form.problem(key, text) == ""


def test_what_no_single_field_shows_is_found_in_the_whole() -> None:
    """For example a setting that the chosen optimizer does not have."""
    texts = form.texts_of(load_spec("digits-mlp")) | {form.MORE: "momentum=0.9"}
    with pytest.raises(TuimonError, match="momentum"):
        form.spec_of("digits-mlp", texts)


@pytest.mark.parametrize(
    ("text", "options"),
    [("off", []), ("on", ["--autopilot"]), ("most=2,levers=clip", ["--autopilot-bounds", "most=2,every=20,levers=clip"])],
)
def test_the_autopilot_is_a_field(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, options: list[str]) -> None:
    """Of presets and of scripts; the command says the same."""
    monkeypatch.setenv("TUIMON_RUNS", str(tmp_path))
    assert form.problem(form.AUTOPILOT, text) == form.problem(form.AUTOPILOT, text, script=True) == ""
    texts = of(autopilot=text)
    assert shlex.split(form.shell_command(load_spec("digits-mlp"), "digits-mlp", texts, tmp_path))[3:] == options
    command = shlex.split(form.shell_command(form.Script(("train.py",)), "", texts, tmp_path))
    assert command == ["tuimon", "run", *options, "train.py"]


def test_bounds_that_are_none_are_said_beside_the_autopilot(tmp_path: Path) -> None:
    """As on the command line."""
    assert "is none of them" in form.problem(form.AUTOPILOT, "few=1")


def test_every_row_of_the_form_is_explained() -> None:
    """Each key exists in the spec and has a help text."""
    assert all(form.help_of(row.key) for row in form.ROWS)


@pytest.mark.parametrize(
    ("more", "taken"),
    [
        ("epochs=7", {"training.epochs": "epochs=7"}),
        ("epochs=7 training.epochs=8", {"training.epochs": "training.epochs=8"}),
        ("epochs=150", {}),
        ("precision=bfloat16", {}),
        ("epochs", {}),
        ("learning=1", {}),
        ("epochs=many", {}),
        ("'", {}),
    ],
)
def test_what_more_sets_in_place_of_a_field_is_found(more: str, taken: dict[str, str]) -> None:
    """Only if the two values differ; errors are reported elsewhere."""
    texts = form.texts_of(load_spec("digits-mlp")) | {form.MORE: more}
    assert form.overridden(texts) == taken


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("my train.py", ("my train.py",)),
        ("missing.py", ("missing.py",)),
        ("-m my.train", ("-m", "my.train")),
        ("-m 'my.train'", ("-m", "my.train")),
        ("env LR=1 python train.py", ("env", "LR=1", "python", "train.py")),
        ("digits-mlp", None),
        ("digits-ml", None),
        ("my.toml", None),
        ("'", None),
    ],
)
def test_any_program_can_stand_in_the_place_of_a_preset(
    source: str, words: tuple[str, ...] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on the command line, with its first arguments; what nothing can be started from is no program."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my train.py").touch()
    assert form.is_script(source) == (words is not None)
    if words:
        texts = {**form.texts_of(load_spec("digits-mlp")), form.MORE: "-x"}
        assert form.script_of(source, texts).words == (*words, "-x")


def test_a_scripts_command_has_its_own_words_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The options of tuimon come before the script, since everything after it is passed to the script."""
    monkeypatch.chdir(tmp_path)
    texts = {**form.texts_of(load_spec("digits-mlp")), form.MORE: "--lr '0 1'", "training.device": "cuda:1"}
    script = form.script_of(str(tmp_path / "train.py"), texts)
    command = shlex.split(form.shell_command(script, "", of(name="mine"), tmp_path / "runs"))
    assert command == ["tuimon", "run", "--name", "mine", "--device", "cuda:1", "train.py", "--lr", "0 1"]


@pytest.mark.parametrize(
    ("key", "text", "says"),
    [
        ("preset", "missing.py", "no such file"),
        ("preset", "~nobody-of-that-name/train.py", "no such file"),
        ("preset", 300 * "a" + ".py", "no such file"),
        ("optimizer.lr", "fast", ""),
        (form.MORE, "lr=", ""),
        (form.MORE, "'open", "quotation"),
        ("training.device", "gpu", "cuda"),
        (form.NAME, "a/b", "/"),
    ],
)
def test_of_a_script_only_what_it_has_is_judged(key: str, text: str, says: str) -> None:
    """The script sets the model, the optimizer and so on itself."""
    told = form.problem(key, text, script=True)
    assert says in told if says else told == ""


@pytest.mark.parametrize(
    ("more", "command"),
    [
        ("lr=log(1e-5,1e-1)", "tuimon search --budget '20 trials' digits-mlp 'lr=log(1e-5,1e-1)'"),
        (
            "trials=50 dropout=uniform(0,0.5) training.precision=bfloat16",
            "tuimon search --budget '50 trials' digits-mlp 'dropout=uniform(0,0.5)' training.precision=bfloat16",
        ),
    ],
)
def test_a_range_in_more_makes_it_a_search(more: str, command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With the fields' other values as settings, and the number of trials beside the ranges."""
    monkeypatch.setenv("TUIMON_RUNS", str(tmp_path))
    texts = {**form.texts_of(load_spec("digits-mlp")), form.NAME: "", form.AUTOPILOT: form.OFF, form.MORE: more}
    assert form.problem(form.MORE, more) == ""
    wanted = form.wanted_of("digits-mlp", texts)
    assert isinstance(wanted, form.Searching)
    assert form.shell_command(wanted, "digits-mlp", texts, tmp_path) == command


@pytest.mark.parametrize("more", ["lr=log(1,0)", "lr=log(1)", "lr=uniform(a,b)"])
def test_a_wrong_range_in_more_is_named(more: str) -> None:
    assert form.problem(form.MORE, more)
