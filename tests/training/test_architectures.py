"""The sequence models, the autoencoder and the quadratic: their shapes, and that they learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tuimon.base.errors import TuimonError
from tuimon.log.reader import read_run
from tuimon.spec.loading import load_spec
from tuimon.spec.spec import Spec
from tuimon.training.data import load
from tuimon.training.loop import Trainer, train
from tuimon.training.model import build_model
from tuimon.training.parts.sequences import rows, rows_shape

CPU = torch.device("cpu")


@pytest.fixture
def rhyme(tmp_path: Path) -> Path:
    """A text that is easy to learn: the same four words repeated."""
    path = tmp_path / "rhyme.txt"
    path.write_text("one two three four, " * 400)
    return path


def built(*overrides: str) -> tuple[Spec, nn.Module, Tensor]:
    """The resolved spec, its model, and a batch of three examples."""
    small = [] if "model=quadratic" in overrides else ["hidden=8,8"]
    spec = load_spec("digits-mlp", [*small, *overrides])
    data = load(spec.data, 0, CPU)
    resolved = data.resolve(spec)
    torch.manual_seed(0)
    return resolved, build_model(resolved, data.example), data.train.batch(torch.arange(3)).inputs


def trained(folder: Path, *overrides: str) -> Trainer:
    return train(load_spec("digits-mlp", ["device=cpu", "checkpoint_every=0", *overrides]), folder)


RECURRENT = [("model=rnn", "cell=rnn", "activation=tanh"), ("model=rnn", "cell=lstm"), ("model=rnn", "cell=gru")]
SEQUENCE = [*RECURRENT, ("model=rnn", "norm=layer"), ("model=rnn", "norm=batch"), ("model=transformer",)]


@pytest.mark.parametrize("model", SEQUENCE, ids="-".join)
@pytest.mark.parametrize("data", ["text", "digits", "iris", "diabetes"])
def test_sequence_models_read_text_images_and_vectors(model: tuple[str, ...], data: str):
    """Text gives outputs at every position, other data one output; every parameter gets a gradient."""
    spec, network, batch = built(*model, f"data={data}", *(["context=16"] if data == "text" else []))
    outputs = network(batch)
    assert outputs.shape == ((3, 16, spec.data.outputs) if data == "text" else (3, spec.data.outputs))
    outputs.square().sum().backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in network.parameters())


@pytest.mark.parametrize("model", [*RECURRENT, ("model=transformer",), ("model=rnn", "norm=layer")], ids="-".join)
def test_no_position_of_a_text_sees_later_characters(model: tuple[str, ...]):
    """Otherwise the model would see its target."""
    _, network, batch = built(*model, "data=text", "context=16")
    network.eval()
    changed = batch.clone()
    changed[:, 10:] = (changed[:, 10:] + 1) % 50
    before, after = network(batch), network(changed)
    torch.testing.assert_close(before[:, :10], after[:, :10])
    assert not torch.allclose(before[:, 10:], after[:, 10:])


def test_images_are_read_row_by_row():
    """Each position is one row with all channels."""
    images = torch.arange(2 * 3 * 4 * 5).view(2, 3, 4, 5).float()
    assert rows_shape((3, 4, 5)) == (4, 15)
    assert torch.equal(rows(images)[1, 2], images[1, :, 2, :].flatten())
    assert rows_shape((7,)) == (7, 1)
    assert rows(torch.zeros(2, 7)).shape == (2, 7, 1)
    assert rows_shape((4, 6)) == (4, 6)


@pytest.mark.parametrize(
    "model",
    [
        ("model=rnn", "cell=rnn", "activation=tanh"),
        ("model=rnn", "cell=lstm"),
        ("model=rnn", "cell=gru"),
        ("model=transformer", "heads=2"),
    ],
    ids="-".join,
)
def test_text_models_learn_a_rhyme(tmp_path: Path, rhyme: Path, model: tuple[str, ...]):
    """With four words that repeat, almost every character follows from the ones before it."""
    trainer = trained(
        tmp_path / "run", *model, "data=text", f"data.path={rhyme}", "context=20", "hidden=32", "batch_size=16",
        "epochs=15", "lr=0.01",
    )  # fmt: skip
    store = read_run(tmp_path / "run")
    assert store["accuracy/val"].last > 0.9
    assert trainer.data.positions == 20


@pytest.mark.parametrize("model", ["rnn", "transformer"])
def test_sequence_models_learn_the_digits_row_by_row(tmp_path: Path, model: str):
    """Eight rows of eight pixels; chance is 10 %."""
    heads = ["heads=2"] if model == "transformer" else []
    trained(tmp_path, f"model={model}", "hidden=32", *heads, "epochs=8", "lr=0.01")
    assert read_run(tmp_path)["accuracy/val"].last > 0.85


def test_an_autoencoder_reconstructs_the_digits(tmp_path: Path):
    """With a code of a quarter of the inputs. Predicting the mean would leave the variance of the inputs, which is 1."""
    trained(tmp_path, "model=autoencoder", "task=reconstruction", "hidden=48,16", "epochs=10", "lr=0.003")
    assert read_run(tmp_path)["loss/val"].last < 0.5


def test_an_autoencoders_code_can_be_made_sparse(tmp_path: Path):
    """By an L1 penalty on its activation only."""
    plan = ("model=autoencoder", "task=reconstruction", "hidden=48,32", "epochs=4", "lr=0.003")
    plain = trained(tmp_path / "plain", *plan)
    sparse = trained(tmp_path / "sparse", *plan, "sparsity=1", "sparsity_layers=act2")

    def active(trainer: Trainer) -> float:
        inputs = trainer.data.val.inputs
        return float((trainer.model[:6](inputs) > 1e-3).float().mean())  # type: ignore[index]

    assert active(sparse) < 0.6 * active(plain)


def test_gradient_descent_on_the_quadratic_follows_its_formula(tmp_path: Path):
    """From 0 with rate 0.01: w = 0.1 after one step, 5 - 5 · 0.98^n after n steps, about 5 after 1,000."""
    for steps, expected in ((1, 0.1), (2, 0.198), (1000, 5.0)):
        trainer = trained(
            tmp_path / str(steps),
            "data=quadratic",
            "model=quadratic",
            "optimizer=sgd",
            "lr=0.01",
            "batch_size=1",
            f"steps={steps}",
        )
        w = next(trainer.model.parameters()).item()
        assert w == pytest.approx(5 - 5 * 0.98**steps, abs=1e-4)  # in float32 the last steps are too small to be added
        assert w == pytest.approx(expected, abs=1e-4)
    losses = read_run(tmp_path / "1000")["loss/train"].values
    assert (losses[0], losses[1]) == (pytest.approx(25), pytest.approx(4.9**2, rel=1e-5))


def test_the_start_of_the_quadratic_is_an_option():
    """It is an option of the model."""
    _, model, batch = built("data=quadratic", "model=quadratic", "model.options.start=7")
    assert model(batch).tolist() == [[4.0]] * 3


def test_the_quadratics_loss_is_a_straight_line_to_the_end(tmp_path: Path):
    """On a logarithmic axis: each step of rate 0.01 multiplies it by 0.98², down to 7e-17 after 1,000 steps."""
    train(load_spec("quadratic", ["device=cpu", "checkpoint_every=0"]), tmp_path)
    losses = read_run(tmp_path)["loss/train"].values
    assert losses == pytest.approx(25 * 0.98 ** (2 * np.arange(1000)), rel=1e-4)


def test_a_product_of_a_hundred_random_matrices_can_be_built():
    """An mlp with identity activations is the product of its matrices."""
    _, model, batch = built(f"hidden={','.join(['32'] * 100)}", "activation=identity")
    assert model(batch).shape == (3, 10)
    assert sum(isinstance(module, nn.Linear) for module in model) == 101  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ("model=transformer", "hidden=8,16"),
            "model.hidden = [8, 16]: a transformer needs one or more blocks of the same width",
        ),
        (
            ("model=transformer", "hidden=6", "heads=4"),
            "model.hidden = [6]: a transformer needs one or more blocks of the same",
        ),
        (("model=transformer", "hidden=[]"), "model.hidden = []: a transformer needs one or more blocks"),
        (("model=rnn", "hidden=[]"), "model.hidden: a recurrent network needs at least one layer"),
        (("model=rnn", "cell=rnn", "activation=gelu"), "model.activation = 'gelu': a plain recurrent cell takes tanh or relu"),
        (("model=rnn", "norm=group"), "model.norm = 'group': a recurrent network takes none, layer or batch"),
        (("model=cnn", "data=iris"), "model.name = 'cnn': needs images of shape (channels, height, width); iris has (4,)"),
        (("model=mlp", "data=text"), "model.name = 'mlp': cannot read text; use rnn or transformer"),
        (
            ("model=quadratic",),
            "model.name = 'quadratic': does not fit data.name = 'digits'; it needs data.name = 'quadratic'",
        ),
        (
            ("data=quadratic",),
            "model.name = 'mlp': does not fit data.name = 'quadratic'; that needs model.name = quadratic or bowl",
        ),
        (("model=autoencoder", "hidden=[]", "task=reconstruction"), "model.hidden: an autoencoder needs at least one layer"),
    ],
)
def test_a_spec_that_does_not_fit_its_model_is_refused(overrides: tuple[str, ...], message: str):
    """The message uses the spec's terms, not the model's file and line."""
    with pytest.raises(TuimonError) as raised:
        built(*overrides)
    assert str(raised.value).startswith(message)


def test_an_image_model_refuses_a_table(tmp_path: Path):
    """Before any file is read: the rows of a table are vectors."""
    with pytest.raises(TuimonError, match=r"model.name = 'cnn': needs images, but the rows of a csv table are vectors"):
        load_spec("digits-cnn", ["data=csv", f"data.path={tmp_path}/mine.csv"])


def test_a_users_own_model_gets_the_shape_of_the_data(tmp_path: Path):
    """Even of a table that has to be read first."""
    (tmp_path / "mine.csv").write_text("a,b,kind\n" + "".join(f"{i},{i * i},{'uvw'[i % 3]}\n" for i in range(30)))
    (tmp_path / "mine.py").write_text(
        "from torch import nn\ndef build(spec): return nn.Linear(spec.data.input_shape[0], spec.data.outputs)\n"
    )
    _, model, _ = built("data=csv", f"data.path={tmp_path}/mine.csv", f"model={tmp_path}/mine.py")
    assert (model.in_features, model.out_features) == (2, 3)


@pytest.mark.parametrize(
    "plan",
    [
        ("data=text", "model=rnn", "hidden=16", "context=20", "dropout=0.2"),
        ("shift=1", "rotation=10", "hidden=16", "batch_size=128"),
    ],
    ids=["text", "augmentation"],
)
def test_a_resumed_run_sees_the_batches_of_an_uninterrupted_one(tmp_path: Path, rhyme: Path, plan: tuple[str, ...]):
    """Bit-identical, even within an epoch."""
    options = [*plan, "device=cpu", *([f"data.path={rhyme}"] if "data=text" in plan else [])]
    whole = train(load_spec("digits-mlp", [*options, "steps=25"]), tmp_path / "whole")
    train(load_spec("digits-mlp", [*options, "steps=16"]), tmp_path / "parts")
    resumed = train(load_spec("digits-mlp", [*options, "steps=25"]), tmp_path / "parts", resume=True)
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name
