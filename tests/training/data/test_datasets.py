"""The datasets that need no file: their contents, tasks, and subsets."""

from __future__ import annotations

import pytest
import torch

from tuimon.base.errors import TuimonError
from tuimon.spec.data import DATASETS, Dataset
from tuimon.spec.loading import load_spec
from tuimon.spec.spec import Spec
from tuimon.training.data import Data, load

CPU = torch.device("cpu")
MODELS = {"text": "rnn", "quadratic": "quadratic"}  # models that fit only these data
BUNDLED = ("digits", "breast_cancer", "wine", "iris", "diabetes", "moons", "spirals", "blobs")


def spec_of(name: str, *overrides: str) -> Spec:
    return load_spec("digits-mlp", [f"data={name}", f"model={MODELS.get(name, 'mlp')}", *overrides])


def loaded(name: str, *overrides: str, seed: int = 0) -> Data:
    return load(spec_of(name, *overrides).data, seed, CPU)


def refusal(*overrides: str) -> str:
    with pytest.raises(TuimonError) as raised:
        loaded(*overrides)
    return str(raised.value)


@pytest.mark.parametrize("name", [*BUNDLED, "quadratic"])
def test_a_dataset_is_as_the_spec_describes_it(name: str):
    """Its size, shape, outputs and task are known without reading it."""
    data = loaded(name)
    known = spec_of(name).data.known
    assert data.known == known == DATASETS[name]
    assert len(data.train) + len(data.val) == known.examples
    assert data.train.inputs.shape[1:] == known.input_shape
    assert data.train.inputs.dtype == torch.float32


@pytest.mark.parametrize(
    ("name", "first", "classes"),
    [
        ("breast_cancer", 17.99, ("malignant", "benign")),
        ("wine", 14.23, ("class_0", "class_1", "class_2")),
        ("iris", 5.1, ("setosa", "versicolor", "virginica")),
    ],
)
def test_classes_have_numbers_and_names(name: str, first: float, classes: tuple[str, ...]):
    """Targets are int64 from 0; the first example of scikit-learn's file is in one of the two splits."""
    data = loaded(name, "scale=none")
    values = torch.cat([data.train.inputs, data.val.inputs])[:, 0]
    assert bool(torch.isclose(values, torch.tensor(first)).any())
    assert data.class_names == classes
    assert data.train.targets.unique().tolist() == list(range(len(classes)))
    assert len(data.input_names) == data.known.input_shape[0]


def test_a_regression_has_values_scaled_by_the_training_split():
    """Zero mean and unit variance there; unscaled if the spec says so."""
    scaled, plain = loaded("diabetes"), loaded("diabetes", "target_scale=none")
    assert scaled.train.targets.shape == (len(scaled.train), 1)
    assert abs(float(scaled.train.targets.mean())) < 1e-5
    assert float(scaled.train.targets.std(correction=0)) == pytest.approx(1, abs=1e-5)
    assert (float(plain.train.targets.min()), float(plain.train.targets.max())) == (25, 346)
    mean, deviation = plain.train.targets.mean(), plain.train.targets.std(correction=0)
    torch.testing.assert_close(scaled.val.targets, (plain.val.targets - mean) / deviation)


def test_a_reconstruction_has_its_inputs_as_targets():
    """Scaled and flattened; the number of outputs is the same."""
    data = loaded("digits", "task=reconstruction")
    assert data.known == Dataset(1797, (1, 8, 8), 64, "reconstruction")
    batch = data.train.batch(torch.tensor([3, 1]))
    assert torch.equal(batch.targets, batch.inputs.flatten(1))
    assert data.train.targets.data_ptr() == data.train.inputs.data_ptr()  # takes no extra memory


def test_class_numbers_can_be_used_as_values():
    """As a mistake to demonstrate, or if their order means something."""
    data = loaded("digits", "task=regression", "target_scale=none")
    assert data.task == "regression"
    assert sorted(data.train.targets.unique().tolist()) == [float(digit) for digit in range(10)]
    assert (data.known.outputs, data.class_names) == (1, ())


def test_only_the_first_classes_can_be_used():
    """In both splits; the number of outputs follows."""
    data = loaded("digits", "classes=3")
    assert data.known.outputs == load_spec("digits-mlp", ["classes=3"]).data.outputs == 3
    assert data.class_names == ("0", "1", "2")
    assert data.train.targets.unique().tolist() == data.val.targets.unique().tolist() == [0, 1, 2]


def test_a_part_of_the_training_split_can_be_used():
    """Validation stays whole; a smaller part lies within a larger one; the seed chooses the examples."""
    whole, part, few = loaded("wine"), loaded("wine", "train_fraction=0.5"), loaded("wine", "train_examples=10", "scale=none")
    assert (len(part.train), len(few.train)) == (71, 10)
    assert len(part.val) == len(few.val) == len(whole.val)
    more = {tuple(row) for row in loaded("wine", "train_examples=50", "scale=none").train.inputs.tolist()}
    assert {tuple(row) for row in few.train.inputs.tolist()} < more
    assert not torch.equal(few.train.inputs, loaded("wine", "train_examples=10", "scale=none", seed=1).train.inputs)
    assert len(loaded("wine", "train_examples=10000").train) == len(whole.train)


def test_statistics_come_from_the_examples_that_are_used():
    """Not from unused examples of the training split."""
    few = loaded("wine", "train_examples=10").train.inputs
    torch.testing.assert_close(few.mean(0), torch.zeros(13), atol=1e-5, rtol=0)


def test_labels_can_be_shuffled_in_the_training_split():
    """Among themselves, so that the counts stay the same; validation keeps its labels."""
    whole, half, every = loaded("digits"), loaded("digits", "shuffled_labels=0.5"), loaded("digits", "shuffled_labels=1")
    assert torch.equal(whole.train.inputs, half.train.inputs)
    assert torch.equal(whole.val.targets, every.val.targets)
    assert torch.equal(whole.train.targets.bincount(), every.train.targets.bincount())
    assert float((whole.train.targets == half.train.targets).float().mean()) == pytest.approx(0.55, abs=0.05)
    assert float((whole.train.targets == every.train.targets).float().mean()) == pytest.approx(0.1, abs=0.05)


def test_the_quadratic_has_steps_instead_of_examples():
    """An epoch has 100 steps with batch size 1."""
    data = loaded("quadratic")
    assert (len(data.train), len(data.val), data.task) == (100, 1, "quadratic")
    assert not data.train.inputs.any()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("diabetes", "task=classification"), "data.task = 'classification': the targets of diabetes are numbers, not classes"),
        (("diabetes", "classes=2"), "data.classes = 2: diabetes has no classes"),
        (("iris", "classes=4"), "data.classes = 4: must be from 2 to 3, the classes of iris"),
        (("iris", "classes=1"), "data.classes = 1: must be from 2 to 3, the classes of iris"),
        (("iris", "shift=1"), "data.shift: iris has no images"),
        (("iris", "rotation=1"), "data.rotation: iris has no images"),
        (("digits", "shift=1", "task=reconstruction"), "data.shift: does not work with reconstruction"),
        (("digits", "task=text"), "data.task = 'text': digits supports auto, classification"),
        (("text", "task=classification"), "data.task = 'classification': text supports auto, text"),
        (("text", "shift=1"), "data.shift, data.rotation, data.classes: text has no images and no classes"),
        (("csv",), "data.path: csv needs the path of a file, such as data.path=mine.csv"),
        (("digitz",), "data.name = 'digitz': must be one of digits, breast_cancer, wine, iris, diabetes"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused_before_reading(overrides: tuple[str, ...], message: str):
    """One line that names the key."""
    assert refusal(*overrides).startswith(message)


def test_the_shape_of_a_file_is_unknown_before_it_is_read():
    """The spec raises an error then; the resolved spec, which a model's build gets, knows it."""
    spec = spec_of("text", "context=20")
    with pytest.raises(TuimonError, match=r"data.name = 'text': shape and outputs are unknown until the data are read"):
        _ = spec.data.outputs
    data = load(spec.data, 0, CPU)
    resolved = data.resolve(spec)
    assert (resolved.data.input_shape, resolved.data.outputs) == ((20,), len(data.class_names))
    assert (resolved.data.batch_size, resolved.model) == (spec.data.batch_size, spec.model)
