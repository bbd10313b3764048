"""Builds what is checked from a spec, with the trainer's own data, model, loss and optimizer."""

from __future__ import annotations

import msgspec
from torch import nn
from torch.optim import Optimizer

from tuimon.spec.spec import Spec
from tuimon.training.checks.subject import Subject
from tuimon.training.data import Data, load
from tuimon.training.device import choose_device, use_threads
from tuimon.training.initializers import initialize
from tuimon.training.losses import loss_function, loss_name
from tuimon.training.model import build_model
from tuimon.training.parts import optimizer
from tuimon.training.randomness import seed_everything
from tuimon.training.transfer import transfer


def read_data(spec: Spec) -> Data:
    """Loads the data of a spec.

    Raises:
        TuimonError: the data cannot be loaded.
    """
    return load(spec.data, spec.training.seed, choose_device(spec.training.device))


def build_subject(spec: Spec, data: Data) -> Subject:
    """Builds the model, loss and optimizer that the trainer would use.

    Raises:
        TuimonError: the model, the loss or the optimizer cannot be built.
    """

    def build(seed: int) -> nn.Module:
        seed_everything(seed)
        model = build_model(data.resolve(spec), data.example)
        initialize(model, spec.init, spec.model)
        transfer(spec.transfer, model)
        return model

    model = build(spec.training.seed)
    batch_size = len(data.train) if spec.optimizer.name == "gd" else spec.data.batch_size
    use_threads(model, batch_size * data.positions, data.train.targets.device)
    plain = msgspec.structs.replace(spec, loss=msgspec.structs.replace(spec.loss, label_smoothing=0.0))

    def new_optimizer(model: nn.Module) -> Optimizer:
        return optimizer(spec.optimizer, model.parameters())

    return Subject(
        model, data.train, data.val, data.task, data.known.outputs, loss_function(plain, data.task),
        loss_name(spec.loss, data.task), new_optimizer, spec.optimizer.lr, batch_size,
        data.input_names, data.class_names, build,
    )  # fmt: skip
