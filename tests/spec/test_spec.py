"""What a spec accepts and refuses, and the texts of its errors."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import msgspec
import pytest

from tuimon.base.errors import TuimonError
from tuimon.spec.keys import SHORT_NAMES, check_value, fields, find_key
from tuimon.spec.loading import load_spec, overrides_for, parse_spec, save_spec, with_overrides
from tuimon.spec.presets import DEFAULT_PRESET, presets
from tuimon.spec.sections import ACTIVATIONS, OPTIMIZERS
from tuimon.spec.spec import Spec

SECTION = [name.removeprefix("regularization.") for name in (f.key for f in fields()) if name.startswith("regularization.")]
NAMED = [field.key for field in fields() if field.key.endswith(".name")]
TABLE = "a table of strings, finite numbers, booleans, and lists and tables of these"


def refusal(*overrides: str) -> str:
    with pytest.raises(TuimonError) as raised:
        load_spec(DEFAULT_PRESET, overrides).to_dict()
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_overrides_take_the_type_of_their_field():
    """Text from the command line becomes a value of the field's type."""
    spec = load_spec(
        DEFAULT_PRESET,
        ["lr=1e-2", "epochs=1e2", "hidden=[64, 2]", "optimizer=sgd", "momentum=.9", "nesterov=TRUE", "seed=7", "device=cuda:1"],
    )
    assert (spec.optimizer.lr, spec.training.epochs, spec.model.hidden) == (0.01, 100, (64, 2))
    assert (spec.optimizer.name, spec.optimizer.momentum, spec.optimizer.nesterov) == ("sgd", 0.9, True)
    assert (spec.training.seed, spec.training.device) == (7, "cuda:1")
    assert isinstance(spec.training.epochs, int)


@pytest.mark.parametrize(("text", "widths"), [("64,32", (64, 32)), ("64", (64,)), ("[]", ()), ("[64,]", (64,))])
def test_a_list_is_read_with_or_without_brackets(text: str, widths: tuple[int, ...]):
    """Brackets must be quoted in a shell, so they may be left out."""
    assert load_spec(DEFAULT_PRESET, [f"hidden={text}"]).model.hidden == widths


def test_the_last_of_two_overrides_wins():
    """As with any command-line option."""
    assert load_spec(DEFAULT_PRESET, ["lr=1", "lr=2"]).optimizer.lr == 2


@pytest.mark.parametrize(
    ("overrides", "epochs", "steps"),
    [(["epochs=3"], 3, 0), (["epochs=3", "steps=5"], 2, 5), (["steps=5"], 2, 5), (["epochs=3", "steps=300"], 2, 300)],
)
def test_epochs_without_steps_decide(overrides: list[str], epochs: int, steps: int):
    """Even if the preset sets steps, which would otherwise win; the overrides that the Launch screen shows do the same."""
    spec = load_spec("text-lstm", overrides)
    again = load_spec("text-lstm", overrides_for(spec))
    assert (again.training.epochs, again.training.steps) == (epochs, steps)


def test_epochs_in_a_file_decide_over_the_steps_of_its_preset(tmp_path: Path):
    """As on the command line."""
    path = tmp_path / "mine.toml"
    path.write_text('preset = "text-lstm"\n[training]\nepochs = 3\n')
    assert (load_spec(path).training.epochs, load_spec(path).training.steps) == (3, 0)


def test_a_users_own_options_take_any_value():
    """The options of a user's own model have no fixed types: each value gets the type that it is written as."""
    spec = load_spec(DEFAULT_PRESET, ["model.options.width=3", "model.options.kind=deep", "model.options.sizes=[1, 2.5]"])
    assert spec.model.options == {"width": 3, "kind": "deep", "sizes": [1, 2.5]}


@pytest.mark.parametrize(
    ("name", "key"), [*SHORT_NAMES.items(), ("val_fraction", "data.val_fraction"), ("l1", "regularization.l1")]
)
def test_short_names_and_ends_of_keys_are_found(name: str, key: str):
    """Common keys have short names; any other key can be named by its last part."""
    assert find_key(name) == key


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("lrr=3", "lrr: no such key; did you mean lr?"),
        ("optimiser.lr=3", "optimiser.lr: no such key; did you mean optimizer.lr?"),
        ("training.epoch=3", "training.epoch: no such key; did you mean epochs?"),
        ("regularization.zzz=3", "regularization.zzz: no such key; [regularization] has " + ", ".join(SECTION)),
        ("qqqqq=1", "qqqqq: no such key"),
        ("learning_rate=1", "learning_rate: no such key; did you mean optimizer.lr?"),
        ("batch=1", "batch: no such key; did you mean batch_size?"),
        ("model.options.=1", "model.options.: no such key; did you mean model.options?"),
        ("name=3", "name: could be " + " or ".join(NAMED) + "; write the full key (the run's own name is given with --name)"),
        ("lr", "'lr': must be key=value, such as lr=0.01"),
        ("=3", "'=3': must be key=value, such as lr=0.01"),
        ("lr=-1", "optimizer.lr = -1: must be a number above 0 and at most 1000"),
        ("lr=fast", "optimizer.lr = 'fast': must be a number above 0 and at most 1000"),
        ("lr=nan", "optimizer.lr = nan: must be a number above 0 and at most 1000"),
        ("lr=inf", "optimizer.lr = inf: must be a number above 0 and at most 1000"),
        ("lr=true", "optimizer.lr = True: must be a number above 0 and at most 1000"),
        ("lr=", "optimizer.lr = '': must be a number above 0 and at most 1000"),
        ("epochs=1.5", "training.epochs = 1.5: must be a whole number from 1 to 1000000"),
        ("epochs=1e400", "training.epochs = inf: must be a whole number from 1 to 1000000"),
        ("batch_size=0", "data.batch_size = 0: must be a whole number from 1 to 1000000"),
        ("val_fraction=1", "data.val_fraction = 1: must be a number above 0 and below 1"),
        ("dropout=1", "model.dropout = 1: must be a number of at least 0 and below 1"),
        ("nesterov=yes", "optimizer.nesterov = 'yes': must be true or false"),
        ("hidden=64,a", "model.hidden = [64, 'a']: must be a list of whole numbers from 1 to 65536"),
        ("hidden=[64", "model.hidden = '[64': must be a list of whole numbers from 1 to 65536"),
        ("hidden=64]", "model.hidden = '64]': must be a list of whole numbers from 1 to 65536"),
        ("hidden=0", "model.hidden = [0]: must be a list of whole numbers from 1 to 65536"),
        ("betas=0.9", "optimizer.betas = [0.9]: must be a list of 2 numbers of at least 0 and below 1"),
        ("model.options=3", f"model.options = 3: must be {TABLE}"),
        ("model.options.rate=nan", f"model.options = {{'rate': nan}}: must be {TABLE}"),
        ("model.options.sizes=[1, {a = 1e400}]", f"model.options = {{'sizes': [1, {{'a': inf}}]}}: must be {TABLE}"),
        ("model.options.size=9223372036854775808", f"model.options = {{'size': {2**63}}}: must be {TABLE}"),
        (f"epochs={10**400}", f"training.epochs = {10**400}: must be a whole number from 1 to 1000000"),
        (f"lr={10**400}", f"optimizer.lr = {10**400}: must be a number above 0 and at most 1000"),
        (
            "activation=Relu",
            f"model.activation = 'Relu': must be one of {', '.join(ACTIVATIONS)}; did you mean relu?",
        ),
        (
            "optimizer=adem",
            f"optimizer.name = 'adem': must be one of {', '.join(OPTIMIZERS)}; did you mean adam?",
        ),
        (
            "model=mpl",
            "model.name = 'mpl': must be one of autoencoder, bowl, cnn, mlp, quadratic, rnn, softmax, transformer, "
            "or the path of a .py file; did you mean mlp?",
        ),
        ("model.options.word=\udcff", r"'\udcff': texts and paths in a spec must be valid UTF-8"),
        ("device=gpu", "training.device = 'gpu': must be one of auto, cpu, cuda, mps, or cuda:N; did you mean cpu?"),
        ("preset=overfit", "preset=overfit: preset is not a setting; start from the preset: tuimon run overfit"),
        ("momentum=0.9", "optimizer.momentum: adam has no momentum; it is a setting of gd, sgd, rmsprop"),
    ],
)
def test_a_wrong_override_is_one_line_that_says_what_is_allowed(override: str, message: str):
    """It names the key, the value, the allowed values, and the nearest valid name."""
    assert refusal(override) == message


def test_nesterov_without_momentum_is_refused():
    """Combinations of fields are checked, too."""
    assert refusal("optimizer=sgd", "nesterov=true") == "optimizer.nesterov = true: needs optimizer.momentum above 0"


def test_a_missing_model_file_is_named_with_its_full_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A path on the command line is relative to the current folder."""
    monkeypatch.chdir(tmp_path)
    assert refusal("model=net.py") == f"model.name = 'net.py': file not found: {tmp_path}/net.py"
    (tmp_path / "net.py").write_text("")
    assert load_spec(DEFAULT_PRESET, ["model=net.py"]).model.name == f"{tmp_path}/net.py"


def test_a_model_file_named_in_a_file_is_relative_to_that_file(tmp_path: Path):
    """So that a spec and its model can be moved together."""
    (tmp_path / "net.py").write_text("")
    (tmp_path / "mine.toml").write_text('[model]\nname = "net.py"\n')
    assert load_spec(tmp_path / "mine.toml").model.name == f"{tmp_path}/net.py"


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("[optimizer]\nlr = \n", ", line 2: not valid TOML: Invalid value"),
        ("[optimizer\n", ", line 1: not valid TOML: Expected ']' at the end of a table declaration"),
        ("title = 'a", ', line 1: not valid TOML: Expected "\'"'),
        ("[optimizr]\nlr = 1\n", ": optimizr: no such section; did you mean optimizer?"),
        ("[modle]\nname = 'mlp'\n", ": modle: no such section; did you mean model?"),
        ("[zzz]\n", ": zzz: no such section; the sections are data, model, optimizer,"),
        ("lr = 0.1\n", ": lr: is outside its section; write lr = … under [optimizer]"),
        ("'optimizer.lr' = 0.1\n", ": optimizer.lr: is outside its section; write lr = … under [optimizer]"),
        ("[optimizer]\nepochs = 3\n", ": optimizer.epochs: no such key; did you mean training.epochs?"),
        ("[optimizer]\nlearning_rate = 1\n", ": optimizer.learning_rate: no such key; did you mean optimizer.lr?"),
        ("optimizer = 3\n", ": optimizer = 3: must be a section: [optimizer]"),
        ("[training]\nepochs = 'ten'\n", ": training.epochs = 'ten': must be a whole number"),
        ("[training]\nepochs = true\n", ": training.epochs = True: must be a whole number"),
        ("title = 3\n", ": title = 3: must be a string"),
        ("text = 'one'\n", ": text = 'one': must be a list of strings"),
        ("[model.options]\nday = 2026-01-01\n", ": model.options = {'day': datetime.date(2026, 1, 1)}: must be a table"),
        (f"[training]\nepochs = {10**400}\n", f": training.epochs = {10**400}: must be a whole number"),
        ("seed = " + 5000 * "9", ": not valid TOML: Exceeds the limit"),
        ("a = " + 2000 * "[" + 2000 * "]", ": not valid TOML: "),
    ],
)
def test_a_wrong_file_is_one_line_with_its_name(tmp_path: Path, toml: str, message: str):
    """A syntax error also names the line."""
    path = tmp_path / "mine.toml"
    path.write_text(toml)
    with pytest.raises(TuimonError) as raised:
        load_spec(path)
    assert str(raised.value).startswith(f"{path}{message}")
    assert "\n" not in str(raised.value)


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path):
    """Some editors write one."""
    (tmp_path / "mine.toml").write_text('preset = "digits-cnn"\r\n', encoding="utf-8-sig")
    assert load_spec(tmp_path / "mine.toml") == load_spec("digits-cnn")


def test_an_unknown_source_suggests_the_nearest_preset():
    """If none is near, the message says where presets are listed."""
    with pytest.raises(TuimonError, match=r"^digits-mpl: no preset or file has this name; did you mean digits-mlp\?$"):
        load_spec("digits-mpl")
    with pytest.raises(TuimonError, match=r"; `tuimon presets` lists them$"):
        load_spec("/nowhere/zzz.toml")


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path):
    """Such as a binary file."""
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TuimonError, match="not a UTF-8 text file"):
        load_spec(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission_says_so(tmp_path: Path):
    """The message gives the operating system's reason."""
    path = tmp_path / "mine.toml"
    path.write_text("")
    path.chmod(0)
    with pytest.raises(TuimonError, match="Permission denied"):
        load_spec(path)


@pytest.mark.parametrize("name", [preset.name for preset in presets()])
def test_a_spec_survives_toml_and_plain_tables(name: str, tmp_path: Path):
    """Saved and loaded again, it is equal; the file contains every default."""
    spec = load_spec(name, ["model.options.depth=3"])
    save_spec(spec, tmp_path / "run")
    assert load_spec(tmp_path / "run" / "spec.toml") == spec
    assert load_spec(tmp_path / "run") == spec
    assert parse_spec(spec.to_dict()) == spec
    assert tomllib.loads(spec.to_toml())["optimizer"]["eps"] == spec.optimizer.eps
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["spec.toml"]


def test_a_spec_that_cannot_be_written_says_where(tmp_path: Path):
    """The error comes before anything has started."""
    (tmp_path / "run").write_text("a file")
    with pytest.raises(TuimonError, match=r"Cannot write the run's spec into .*run"):
        save_spec(Spec(), tmp_path / "run")


def test_overrides_for_gives_the_difference_from_the_preset():
    """Typed after the preset's name, they give the same spec again."""
    overrides = ["optimizer=sgd", "lr=0.01", "momentum=0.9", "hidden=64,64", "model.options.kind=deep", "nesterov=true"]
    spec = load_spec("digits-cnn", overrides)
    found = overrides_for(spec)
    assert found == [
        "model.hidden=[64,64]", "optimizer=sgd", "lr=0.01", "optimizer.momentum=0.9", "optimizer.nesterov=true",
        "model.options.kind=deep",
    ]  # fmt: skip
    assert load_spec(spec.preset, found) == spec
    assert overrides_for(load_spec("digits-cnn")) == []


@pytest.mark.parametrize("decay", [[], ["weight_decay=0"], ["weight_decay=0.5"]])
def test_overrides_for_another_optimizer_keep_its_settings(decay: list[str]):
    """Also those that are not the new optimizer's default, but were the former one's."""
    spec = load_spec("digits-mlp", ["optimizer=adamw", *decay])
    assert load_spec("digits-mlp", overrides_for(spec)) == spec
    assert len(overrides_for(spec)) == 1 + len(decay)


def test_overrides_for_leaves_out_settings_that_the_optimizer_does_not_have():
    """They would be refused; a setting left over from another optimizer has no effect."""
    spec = with_overrides(load_spec("digits-mlp", ["optimizer=sgd", "momentum=0.9"]), ["optimizer=adam"])
    assert spec.optimizer.momentum == 0.9
    assert overrides_for(spec) == []


def test_overrides_apply_to_a_users_own_file(tmp_path: Path):
    """`preset` is then the file's path."""
    path = tmp_path / "mine.toml"
    path.write_text("[optimizer]\nlr = 0.5\n")
    spec = load_spec(path, ["epochs=3"])
    assert (spec.preset, spec.name, overrides_for(spec)) == (str(path), "mine", ["epochs=3"])


def test_every_field_has_a_help_text_and_a_default_within_its_bounds():
    """The Launch screen shows the help texts and starts from the defaults."""
    for field in fields():
        assert field.help, field.key
        if field.type != "table":
            text = ",".join(map(str, field.default)) if isinstance(field.default, tuple) else str(field.default)
            assert check_value(field.key, text) == field.default


def test_fields_carry_bounds_choices_and_types():
    """An input field needs them to check values as the user types."""
    known = {field.key: field for field in fields()}
    assert (known["optimizer.lr"].type, known["optimizer.lr"].low, known["optimizer.lr"].low_open) == ("float", 0, True)
    assert (known["data.val_fraction"].high, known["data.val_fraction"].high_open) == (1, True)
    assert known["optimizer.name"].choices == tuple(OPTIMIZERS)
    assert known["model.hidden"].type == "ints"
    assert known["optimizer.betas"].length == 2
    assert "preset" not in known


def test_a_spec_cannot_be_changed():
    """Threads and screens share it."""
    with pytest.raises(AttributeError):
        load_spec(DEFAULT_PRESET).optimizer.lr = 1  # type: ignore[misc]
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"unknown": 1}, Spec)


def test_a_script_in_place_of_a_spec_is_refused_with_a_hint(tmp_path: Path) -> None:
    """For verbs that need a spec, such as `check`."""
    (tmp_path / "train.py").write_text("import torch")
    with pytest.raises(TuimonError, match=r"(?s)a Python file, not a spec.*`tuimon run .*train\.py`.*model\.name="):
        load_spec(tmp_path / "train.py")


def test_a_file_that_names_a_preset_starts_from_its_values(tmp_path: Path):
    """Values are merged within each section, too."""
    path = tmp_path / "mine.toml"
    path.write_text('preset = "digits-cnn"\ntitle = "mine"\n[training]\nepochs = 2\n')
    assert load_spec(path) == msgspec.structs.replace(load_spec("digits-cnn", ["epochs=2"]), title="mine")


def test_a_spec_that_tuimon_wrote_does_not_need_its_preset(tmp_path: Path):
    """The preset may have been removed or changed since."""
    spec = load_spec("digits-cnn", ["epochs=2"])
    for preset in ("/gone.toml", "gone", "digits-mlp"):
        spec = msgspec.structs.replace(spec, preset=preset)
        save_spec(spec, tmp_path)
        assert load_spec(tmp_path) == spec


def test_a_file_that_names_an_unknown_preset_is_an_error(tmp_path: Path):
    """Instead of training without the preset's values."""
    path = tmp_path / "mine.toml"
    path.write_text('preset = "digits-cn"\n[training]\nepochs = 2\n')
    with pytest.raises(TuimonError, match=r"preset = 'digits-cn': no preset has this name; did you mean digits-cnn"):
        load_spec(path)
    path.write_text('preset = "other.toml"\n')
    with pytest.raises(TuimonError, match=r"preset = 'other.toml': no preset has this name; `tuimon presets` lists them"):
        load_spec(path)


def test_a_folder_without_a_spec_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Such as a data folder named like the start of a preset; the message suggests the preset."""
    (tmp_path / "digits").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TuimonError, match=r"digits: no preset or folder with spec.toml has this name; did you mean digits-"):
        load_spec("digits")


@pytest.mark.parametrize("source", ["~nosuchuser/x.toml", "~nosuchuser"])
def test_a_path_in_an_unknown_home_is_not_found(source: str):
    """A tilde with the name of a user who does not exist."""
    with pytest.raises(TuimonError, match="no preset or file has this name"):
        load_spec(source)
    with pytest.raises(TuimonError, match="file not found"):
        load_spec("digits-mlp", ["model.name=~nosuchuser/y.py"])
