"""Watching without a line in the script: which model, which loss, and who is left alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import tuimon
from tuimon.base import given
from tuimon.launcher.places.spawn import watched
from tuimon.log.records import Applied, Ended, Notice, RunStarted
from tuimon.monitor import ending
from tuimon.monitor.script.losses import Losses
from tuimon.monitor.script.unasked import UnaskedWatch, model_of


class Pair(nn.Module):
    """Two networks that are trained apart."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 3))
        self.discriminator = nn.Linear(3, 1)


def given_folder(path: Path) -> Path:
    """A folder as the launcher makes it for a program's first run."""
    path.mkdir()
    (path / given.TOKEN).touch()
    return path


@pytest.fixture
def losses() -> Iterator[Losses]:
    noted = Losses()
    yield noted
    noted.close()


def train(model: nn.Module, steps: int = 3, optimizer: torch.optim.Optimizer | None = None) -> list[float]:
    """A loop that knows nothing of tuimon."""
    optimizer = optimizer or torch.optim.SGD(model.parameters(), lr=0.1)
    told = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = model(torch.ones(5, 2)).square().mean()
        loss.backward()
        optimizer.step()
        told.append(loss.item())
    return told


def close_all() -> None:
    for monitor in ending.still_open():
        monitor.close()


def test_the_module_that_an_optimizer_trains_is_found() -> None:
    """The whole network, and not a part of it or its loss."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    criterion = nn.CrossEntropyLoss()
    assert model_of(torch.optim.Adam(model.parameters())) is model
    assert criterion is not None


def test_one_of_a_pair_is_found_and_not_the_pair() -> None:
    """What holds another trained network, too, is not what this optimizer trains."""
    pair = Pair()
    assert model_of(torch.optim.Adam(pair.generator.parameters())) is pair.generator
    assert model_of(torch.optim.Adam(pair.discriminator.parameters())) is pair.discriminator


def test_the_whole_network_is_found_where_only_its_head_is_trained() -> None:
    """Frozen layers belong to the model that is watched."""
    pair = Pair()
    pair.generator.requires_grad_(False)
    assert model_of(torch.optim.Adam(pair.discriminator.parameters())) is pair


def test_optimizers_that_share_a_network_find_the_same_one() -> None:
    """As Muon for the matrices and AdamW for the rest do."""
    model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    matrices = [p for p in model.parameters() if p.ndim == 2]
    assert model_of(torch.optim.SGD(matrices, lr=0.1)) is model


def test_parameters_of_no_module_are_an_empty_model() -> None:
    """There is nothing to tell of layers then; the steps are watched all the same."""
    free = torch.zeros(3, requires_grad=True)
    assert list(model_of(torch.optim.SGD([free], lr=0.1)).parameters()) == []


def test_a_training_is_watched_from_its_first_step(unasked: UnaskedWatch, tmp_path: Path) -> None:
    """The folder that was made for it, the loss of each step, the layers; with no call of tuimon's."""
    model = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 3))
    told = train(model)
    close_all()
    store = tuimon.read_run(tmp_path / "train-01")
    assert store["loss/train"].steps.tolist() == [1, 2, 3]
    assert store["loss/train"].values.tolist() == pytest.approx(told)
    assert {"grad_norm/0", "grad_norm/2", "update_ratio/0"} <= set(store)
    (started,) = [record.event for record in store.events if isinstance(record.event, RunStarted)]
    assert (started.name, started.model, started.optimizer) == ("train-01", "Sequential", "SGD")


def test_training_unasked_is_the_same_to_the_bit(unasked: UnaskedWatch, tmp_path: Path) -> None:
    """The weights do not depend on whether somebody watches."""

    def trained() -> list[Tensor]:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Dropout(0.5), nn.Linear(8, 3))
        train(model, 20, torch.optim.AdamW(model.parameters(), lr=0.01))
        return [p.detach().clone() for p in model.parameters()]

    watched = trained()
    close_all()
    assert (tmp_path / "train-01").exists() and len(tuimon.read_run(tmp_path / "train-01")["loss/train"]) == 20
    unasked.close()
    assert all(torch.equal(a, b) for a, b in zip(watched, trained(), strict=True))


def test_levers_move_a_training_that_does_not_know(unasked: UnaskedWatch, tmp_path: Path) -> None:
    """Between two steps, like any other."""
    from tuimon.log.records import Command

    model = nn.Linear(2, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    train(model, 2, optimizer)
    (monitor,) = ending.still_open()
    assert isinstance(monitor, tuimon.Monitor)
    monitor.send(Command("lr_scale", "multiply", 0.5, by="h"))
    train(model, 2, optimizer)
    close_all()
    store = tuimon.read_run(tmp_path / "train-01")
    assert [(r.event.step, r.event.new) for r in store.events if isinstance(r.event, Applied)] == [(2, 0.5)]
    assert store["lr"].values.tolist() == pytest.approx([0.1, 0.1, 0.05, 0.05])


def test_a_scripts_own_run_is_where_the_screen_looks_for_it(unasked: UnaskedWatch, tmp_path: Path) -> None:
    """The folder that was made for the run, though the script names another."""
    model = nn.Linear(2, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with tuimon.watch(model, optimizer, run_dir=tmp_path / "elsewhere", meters=False) as monitor:
        assert monitor.run_dir == tmp_path / "train-01"


def test_a_script_that_watches_by_itself_is_left_alone(unasked: UnaskedWatch, tmp_path: Path) -> None:
    """Its own call gets the folder that was made for the run, and nothing is logged beside what it logs."""
    model = nn.Linear(2, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with tuimon.watch(model, optimizer, name="mine", meters=False) as monitor:
        train(model, 2, optimizer)
        monitor.log(loss=7.0)
    assert monitor.run_dir == tmp_path / "train-01"
    assert tuimon.read_run(monitor.run_dir)["loss/train"].values.tolist() == [7.0]
    assert torch.autograd.backward.__module__ == "torch.autograd" and not hasattr(torch.autograd.backward, "__wrapped__")


def test_a_second_optimizer_is_told_of_once(unasked: UnaskedWatch, tmp_path: Path) -> None:
    """Its steps and its losses are not the first one's."""
    pair = Pair()
    first, second = (torch.optim.SGD(part.parameters(), lr=0.1) for part in (pair.generator, pair.discriminator))
    for _ in range(2):
        told = train(pair.generator, 1, first)
        second.zero_grad()
        pair.discriminator(torch.ones(1, 3)).sum().backward()
        second.step()
    close_all()
    store = tuimon.read_run(tmp_path / "train-01")
    assert store["loss/train"].steps.tolist() == [1, 2] and store["loss/train"].last == pytest.approx(told[-1])
    notices = [r.event.text for r in store.events if isinstance(r.event, Notice)]
    assert len([text for text in notices if "second optimizer" in text]) == 1


def test_an_optimizer_inside_of_another_leaves_it_its_loss(unasked: UnaskedWatch, tmp_path: Path) -> None:
    """As what Lookahead or ZeRO wraps: its steps are the other's."""

    class Outer(torch.optim.Optimizer):
        def __init__(self, inner: torch.optim.Optimizer) -> None:
            self.inner = inner
            super().__init__(inner.param_groups, {})

        def step(self, closure: Any = None) -> None:
            self.inner.step()

    model = nn.Linear(2, 3)
    told = train(model, 3, Outer(torch.optim.SGD(model.parameters(), lr=0.1)))
    close_all()
    store = tuimon.read_run(tmp_path / "train-01")
    assert store["loss/train"].values.tolist() == pytest.approx(told)
    assert not any(isinstance(r.event, Notice) for r in store.events)


@pytest.mark.filterwarnings("ignore")  # the compiler's own
def test_the_watch_is_not_compiled_with_a_compiled_step(unasked: UnaskedWatch) -> None:
    """All that happens at the first step, the search for the model too, is none of the compiler's business."""
    from torch._dynamo.utils import counters

    model = nn.Linear(2, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def step() -> None:
        model(torch.ones(5, 2)).square().mean().backward()
        optimizer.step()

    compiled = torch.compile(step, backend="eager")
    for _ in range(3):
        compiled()
    assert ending.still_open() and counters["frames"]["total"] < 200  # 700 with it
    torch._dynamo.reset()


def test_the_next_model_of_a_search_gets_a_run_of_its_own(unasked: UnaskedWatch, tmp_path: Path) -> None:
    """Once the first is gone; its model is not kept for being watched."""
    train(nn.Linear(2, 3), 2)
    train(nn.Linear(2, 4), 3)
    close_all()
    assert [tuimon.read_run(tmp_path / name).step for name in ("train-01", "train-01-2")] == [2, 3]
    assert any(isinstance(r.event, Ended) for r in tuimon.read_run(tmp_path / "train-01").events)


def test_a_failure_to_watch_leaves_the_training_alone(
    unasked: UnaskedWatch, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is told once on stderr."""
    monkeypatch.setenv(given.FOLDER, "/dev/null/train-01")
    assert len(train(nn.Linear(2, 3), 3)) == 3
    assert capsys.readouterr().err.count("cannot watch this training") == 1


def test_the_losses_of_accumulated_gradients_add_up(losses: Losses) -> None:
    """As their gradients do."""
    weight = torch.ones(1, requires_grad=True)
    for part in (1.0, 2.0):
        (weight * part).sum().backward()
    assert losses.take() == 3.0 and losses.take() is None


def test_a_closure_counts_once(losses: Losses) -> None:
    """Within a step, L-BFGS evaluates the loss anew for each try."""
    for gathered in (0.0, 2.0):  # before the step, as Lightning does
        if gathered:
            torch.tensor([gathered], requires_grad=True).sum().backward()
        losses.begin_step()
        for value in (5.0, 4.0, 3.0):
            torch.tensor([value], requires_grad=True).sum().backward()
        assert losses.end_step() == 5.0 + gathered


def test_a_scaled_loss_is_told_as_the_script_computed_it(losses: Losses) -> None:
    """A loss scaler multiplies it only for the gradients' sake; and a skipped step's loss is not added to the next one's."""
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    weight = torch.ones(1, requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=0.0)
    scaler.scale((weight * 3).sum()).backward()
    assert losses.take() == 3.0 and weight.grad == 3 * 1024
    scaler.scale((weight * torch.inf).sum()).backward()
    scaler.step(optimizer)
    scaler.update()
    assert losses.take() is None


def test_what_is_no_loss_is_not_noted(losses: Losses) -> None:
    """Numbers with gradients of their own, as recomputed activations have."""
    out = torch.ones(2, requires_grad=True) * 2
    out.backward(torch.ones(2))
    assert losses.take() is None


def test_losses_that_are_told_together_add_up(losses: Losses) -> None:
    """In a list, as `torch.autograd.backward` takes them."""
    weight = torch.ones(2, requires_grad=True)
    torch.autograd.backward([weight.sum(), (3 * weight).sum()])
    assert losses.take() == 8.0


SCRIPT = """
import os, sys
assert "torch" not in sys.modules and "tuimon" not in sys.modules  # which read the environment
import torch
assert "torch._dynamo" not in sys.modules  # which reads it, too
torch.set_num_threads(1)
assert __name__ == "__main__" and sys.path[0] == os.path.dirname(os.path.realpath(__file__)) and __spec__ is None
model = torch.nn.Linear(2, 3)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(int(sys.argv[1])):
    optimizer.zero_grad(); model(torch.ones(5, 2)).square().mean().backward(); optimizer.step()
"""


def run_script(tmp_path: Path, environment: dict[str, str], code: str, *words: str) -> subprocess.CompletedProcess[str]:
    """As the launcher has the supervisor run it."""
    (tmp_path / "train.py").write_text(code)
    run = given_folder(tmp_path / "run")
    command, told = [sys.executable, "train.py", *words], environment | watched(run)
    return subprocess.run(command, cwd=tmp_path, env=told, capture_output=True, text=True, timeout=100)


def how_it_ended(tmp_path: Path) -> list[Any]:
    return [r.event for r in tuimon.read_run(tmp_path / "run").events if isinstance(r.event, Ended)]


def test_a_script_is_run_as_python_runs_it(tmp_path: Path, environment: dict[str, str]) -> None:
    """Its name, its arguments, its folder on the path; its own classes can be pickled."""
    code = "import pickle\nclass Mine: ...\nassert type(pickle.loads(pickle.dumps(Mine()))) is Mine\nprint('args', sys.argv)"
    done = run_script(tmp_path, environment, SCRIPT + code, "4", "--more")
    assert (done.returncode, done.stdout, done.stderr) == (0, "args ['train.py', '4', '--more']\n", "")
    assert how_it_ended(tmp_path) == [Ended(how="finished", step=4)]


def test_a_script_is_compiled_by_itself(tmp_path: Path, environment: dict[str, str]) -> None:
    """Its annotations are what they are, and its source is found from another folder, as in its traceback."""
    code = (
        "import inspect, os\nos.chdir('/')\ndef f(x: int): ...\n"
        "assert f.__annotations__ == {'x': int} and inspect.getsource(f) == 'def f(x: int): ...\\n'\nraise ValueError\n"
    )
    done = run_script(tmp_path, environment, code)
    assert done.stderr.splitlines()[1:] == [
        f'  File "{tmp_path}/train.py", line 5, in <module>',
        "    raise ValueError",
        "ValueError",
    ]


def test_a_script_may_look_first_whether_there_is_a_torch(tmp_path: Path, environment: dict[str, str]) -> None:
    """As transformers and accelerate do; it is watched once it has imported it."""
    code = "import importlib.util\nassert importlib.util.find_spec('torch')\n"
    assert run_script(tmp_path, environment, code + SCRIPT, "4").stderr == ""
    assert how_it_ended(tmp_path) == [Ended(how="finished", step=4)]


def test_a_training_in_a_thread_is_watched_to_its_end(tmp_path: Path, environment: dict[str, str]) -> None:
    """Though the script's own last line is long past when it makes its first step."""
    first, loop = SCRIPT.split("for _ in range")
    body = textwrap.indent(f"time.sleep(0.2)\nfor _ in range{loop}", "    ")
    code = f"{first}import threading, time\ndef main():\n{body}threading.Thread(target=main).start()\n"
    assert run_script(tmp_path, environment, code, "4").stderr == ""
    assert how_it_ended(tmp_path) == [Ended(how="finished", step=4)]


BY_HAND = """
import torch
weight = torch.ones(2, requires_grad=True)
for _ in range(7):
    weight.square().sum().backward()
    with torch.no_grad():
        weight -= 0.1 * weight.grad
    weight.grad = None
"""

FAILING = """
import torch, tuimon.monitor.watch as watching
def fails(*_, **__): raise OSError("no room")
watching.Monitor = fails
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(3): model(torch.ones(1, 2)).sum().backward(); optimizer.step()
"""


@pytest.mark.parametrize(
    ("code", "word"),
    [
        ("print('no torch')", ""),
        ("import torch\nsys.exit('no data')", "no torch.optim optimizer made a step"),
        (BY_HAND, "backward was called on 7 losses, and no torch.optim optimizer made a step; an update written by hand"),
        (FAILING, "cannot watch this training: OSError: no room"),
        ("def build(spec): ...", "a file with build(spec) is a model: tuimon run digits-mlp model.name=train.py"),
        ("sys.modules['tuimon'] = None\nimport torch", "{python} cannot watch: ModuleNotFoundError: "),
    ],
)
def test_a_script_that_trains_nothing_leaves_word_why(
    tmp_path: Path, environment: dict[str, str], code: str, word: str
) -> None:
    """For the supervisor, however it ends; nothing is printed among what the script prints itself."""
    done = run_script(tmp_path, environment, f"import sys\n{code}")
    assert done.stderr == ("no data\n" if "no data" in code else f"tuimon: {word}; it goes on\n" if code == FAILING else "")
    left = given.untaken(tmp_path / "run")
    assert (
        left is not None and left.why.startswith(word.format(tmp_path, python=sys.executable)) and bool(word) == bool(left.why)
    )
    assert not left.ends


@pytest.mark.parametrize(
    ("code", "status", "how", "reason"),
    [
        ("raise ValueError('bad data')", 1, "failed", "ValueError: bad data"),
        ("sys.exit(3)", 3, "failed", "exit code 3"),
        ("raise KeyboardInterrupt", -signal.SIGINT, "stopped", "interrupted"),
        ("class Own(BaseException): ...\nraise Own('its own')", 1, "failed", "Own: its own"),
    ],
)
def test_a_script_ends_as_it_would(
    tmp_path: Path, environment: dict[str, str], code: str, status: int, how: str, reason: str
) -> None:
    """With its own exit code, and a traceback that begins in the script."""
    done = run_script(tmp_path, environment, SCRIPT + code, "2")
    assert done.returncode == status and "tuimon/monitor" not in done.stderr
    assert [(ended.how, ended.reason) for ended in how_it_ended(tmp_path)] == [(how, reason)]
    assert ("train.py" in done.stderr) == (status != 3)


def test_a_script_that_is_no_python_says_where(tmp_path: Path, environment: dict[str, str]) -> None:
    """Python's own words, and nothing of the one who ran it."""
    done = run_script(tmp_path, environment, SCRIPT + "def broken(:\n", "2")
    assert done.returncode == 1 and "SyntaxError" in done.stderr and "tuimon/monitor" not in done.stderr


def test_workers_that_are_spawned_find_the_script(tmp_path: Path, environment: dict[str, str]) -> None:
    """A fresh interpreter imports the script, and not its runner, to find what it was given."""
    code = (
        "import multiprocessing\ndef double(x): return 2 * x\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool: print(pool.map(double, [3]))\n"
    )
    done = run_script(tmp_path, environment, code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[6]\n", "")


IN_CHILDREN = """
import subprocess, sys, torch, multiprocessing
torch.set_num_threads(1)
def train(steps):
    model = torch.nn.Linear(2, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad(); model(torch.ones(5, 2)).square().mean().backward(); optimizer.step()
if __name__ == "__main__":
    if sys.argv[1:] == ["child"]:
        train(3)
    elif sys.argv[1:] == ["started"]:
        for _ in range(2):
            subprocess.run([sys.executable, __file__, "child"], check=True)
    else:
        for steps in (3, 3):
            child = multiprocessing.get_context(sys.argv[1]).Process(target=train, args=(steps,))
            child.start(); child.join()
"""


@pytest.mark.parametrize("how", ["started", "spawn", "fork"])
def test_what_trains_in_a_child_is_watched(tmp_path: Path, environment: dict[str, str], how: str) -> None:
    """The first child's run is the one that a folder was made for; the next gets one beside it, and is announced there."""
    done = run_script(tmp_path, environment, IN_CHILDREN, how)
    assert (done.returncode, done.stderr) == (0, "")
    first, second = (tuimon.read_run(tmp_path / name) for name in ("run", "run-2"))
    assert (first.step, second.step) == (3, 3)
    assert [r.event.text for r in first.events if isinstance(r.event, Notice)] == ["this program makes a further run: run-2"]


def test_later_ranks_leave_the_run_to_the_first(tmp_path: Path, environment: dict[str, str]) -> None:
    """As torchrun numbers them: they train one model together."""
    done = run_script(tmp_path, environment | {"LOCAL_RANK": "1"}, SCRIPT, "2")
    assert (done.returncode, done.stderr) == (0, "") and given.untaken(tmp_path / "run") is not None
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["run"]


def test_another_sitecustomize_is_imported_as_ever(tmp_path: Path, environment: dict[str, str]) -> None:
    """Also where it fails, as Python says then."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text("import builtins\nbuiltins.mine = __file__\n")
    environment |= {"PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), environment["PYTHONPATH"]])}
    code = "import sys, sitecustomize\nprint(mine == sitecustomize.__file__, [p for p in sys.path if 'startup' in p])"
    (tmp_path / "train.py").write_text(code)
    path = os.pathsep.join([watched(tmp_path / "run")["PYTHONPATH"].split(os.pathsep)[0], environment["PYTHONPATH"]])
    told = environment | watched(given_folder(tmp_path / "run")) | {"PYTHONPATH": path}
    done = subprocess.run([sys.executable, "train.py"], cwd=tmp_path, env=told, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("True []\n", "")


WARNS = """
import warnings
def work(): warnings.warn("on and on"); warnings.warn("gone soon", DeprecationWarning)
"""


def test_a_warning_is_printed_as_often_as_without_tuimon(tmp_path: Path, environment: dict[str, str]) -> None:
    """Once, though the first step has much imported that changes the filters of warnings."""
    code = WARNS + SCRIPT.replace("for _ in range(int(sys.argv[1])):", "for _ in range(5):\n    work()")
    watched_one = run_script(tmp_path, environment, code)
    plain = subprocess.run([sys.executable, "train.py"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert watched_one.stderr == plain.stderr and plain.stderr.count("UserWarning") == 1
