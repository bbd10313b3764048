"""How long a training takes is told from runs of the same model and data, and a program's options by its own --help."""

from __future__ import annotations

from pathlib import Path

import msgspec
import psutil
import pytest

from conftest import wait_until
from tuimon.base.errors import TuimonError
from tuimon.launcher.runs.configuration import flat
from tuimon.launcher.runs.estimate import estimate
from tuimon.launcher.runs.status import Status
from tuimon.launcher.runs.summary import RunSummary
from tuimon.launcher.start.own_help import own_help
from tuimon.spec.loading import load_spec


def earlier(
    name: str, *settings: str, seconds: float = 10.0, steps: int = 100, state: str = "finished", device: str = "cpu"
) -> RunSummary:
    return RunSummary(
        name,
        Path(name),
        Status(state),  # type: ignore[arg-type]
        step=steps,
        steps_per_epoch=50,
        steps_per_second=20.0,
        device=device,
        config=flat(msgspec.to_builtins(load_spec("digits-mlp", settings))),
        first_wall=1e9,
        last_wall=1e9 + seconds,
    )


def test_the_time_is_that_of_runs_alike() -> None:
    """The median over them, for as many steps as are wanted; rates and regularizers make no difference, sizes do."""
    spec = load_spec("digits-mlp", ["epochs=4"])
    runs = [earlier("a", "lr=0.5"), earlier("b", "dropout=0.5", seconds=20.0), earlier("c", seconds=40.0)]
    found = estimate(spec, runs)
    assert found is not None and found.seconds == 200 * 0.2 and found.text == "about 0:40, as a and 2 others"
    assert estimate(load_spec("digits-mlp", ["steps=10"]), runs[:1]) == (1.0, ("a",))
    others = [earlier("d", "model.hidden=[8]"), earlier("e", "batch_size=9"), earlier("f", device="cuda:0")]
    assert estimate(load_spec("digits-mlp", ["device=cpu"]), others) is None
    assert estimate(spec, []) is None


def test_a_run_that_did_not_finish_tells_the_pace_of_its_steps() -> None:
    """Its whole time may have been a pause, or a night."""
    found = estimate(load_spec("digits-mlp", ["steps=100"]), [earlier("a", seconds=1e6, state="running")])
    assert found is not None and found.seconds == 5.0


def test_the_help_of_a_program_is_what_it_prints(tmp_path: Path) -> None:
    """Also on stderr, and with an exit code; without colours."""
    script = tmp_path / "train.py"
    script.write_text(
        "import argparse\np = argparse.ArgumentParser(prog='train')\np.add_argument('--lr', help='the rate')\np.parse_args()\n"
    )
    text = own_help([str(script)])
    assert text.startswith("usage: train [-h] [--lr LR]") and "the rate" in text and "\x1b" not in text
    script.write_text("import sys; print(sys.argv[1:], file=sys.stderr); sys.exit(2)")
    assert own_help([str(script)]) == "['--help']"


def test_a_program_that_trains_instead_is_ended_with_its_children(tmp_path: Path) -> None:
    """And says so; one that says nothing, or that does not exist, too."""
    script, child = tmp_path / "train.py", tmp_path / "child"
    script.write_text(f"import subprocess\nsubprocess.run(['sh', '-c', 'echo $$ > {child}; sleep 600; true'])\n")
    with pytest.raises(TuimonError, match="--help has not ended after 5 s, and was ended"):
        own_help([str(script)], patience_s=5)
    pid = int(child.read_text() or 0) if child.exists() else 0  # on a very busy machine it has not come that far
    wait_until(lambda: not pid or not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    script.write_text("")
    with pytest.raises(TuimonError, match="--help says nothing"):
        own_help([str(script)])
    with pytest.raises(TuimonError):
        own_help([str(tmp_path / "none.py")])
