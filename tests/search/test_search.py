"""Whole searches as a user calls them: real processes, killed, interrupted, shared, and over spaces that are half broken."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conftest import wait_until
from launching import processes, status
from search.conftest import Studies
from tuimon.launcher.runs.glance import lifecycle
from tuimon.launcher.steering.stop import stop

LR = "--lr=log(1e-5,1e-1)"


def lines(text: str, kind: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return [line for line in found if line["kind"] == kind]


def test_a_search_keeps_the_best_of_its_trials(studies: Studies) -> None:
    """Each trial is an ordinary run, with its values on its command line; the table has the best first."""
    out = studies.done("--name", "s", "--budget", "6 trials", "--jobs", "2", "train.py", LR, "--act", "choice(relu,tanh)")
    (head, best, *_), (told, again) = out.splitlines()[-9:-2], out.splitlines()[-2:]
    assert "2 trials at a time" in out and head.split() == ["TRIAL", "LOSS/VAL", "lr", "act"]
    assert told == "s: 6 trials: 6 finished" and f"tuimon run {studies.runs / 's' / best.split()[0]}" in again
    assert [run.name for run in studies.trials()] == [f"trial-{n:04d}" for n in range(1, 7)]
    assert all(status(run) == "finished" for run in studies.trials())
    shown = lines(studies.done("--show", "--json", "s"), "trial")
    values = {line["run"].removeprefix("s/"): line["values"] for line in shown}
    for run in studies.trials():
        launched = lifecycle(run).launched
        assert launched and f"--lr={values[run.name]['lr']}" in launched.words
    assert min(shown, key=lambda line: line["value"])["run"] == f"s/{best.split()[0]}"
    out = studies.done("--pruner", "median", "s")
    assert "s: 6 trials: 6 finished" in out and len(studies.trials()) == 6  # its budget is used up
    assert "Cannot change sampler of the study s" in studies.done("--sampler", "tpe", "s", code=1)


def test_half_of_a_space_that_cannot_be_trained_costs_those_trials(studies: Studies) -> None:
    """Each says why: the program's own last line. The search goes on, and the best is from the other half."""
    out = studies.done("--name", "s", "--budget", "8", "--jobs", "2", "--json", "train.py", LR, "--crash-above", "1e-3")
    trials = lines(out, "trial")
    failed = [trial for trial in trials if float(trial["values"]["lr"]) > 1e-3]
    assert len(trials) == 8 and 0 < len(failed) < 8
    assert all(t["outcome"] == "failed" and "ValueError: the rate" in t["why"] and t["value"] is None for t in failed)
    (study,) = lines(out, "study")
    assert study["outcomes"] == {"failed": len(failed), "finished": 8 - len(failed)} and study["best"]


def test_a_search_in_which_all_trials_fail_says_so(studies: Studies) -> None:
    """With the last reason, and exit code 1: a crash, a curve that was never logged, a loss that is no number."""
    for name, arguments, why in (
        ("a", ["--crash-above", "0"], "ValueError: the rate"),
        ("b", ["--tag", "loss/validation"], "its log has no loss/val; it has loss/validation"),
        ("c", ["--nan-above", "0"], "loss/val is nan at step "),
    ):
        out = studies.done("--name", name, "--budget", "2", "--jobs", "2", "train.py", LR, *arguments, code=1)
        assert "no trial has a value; the last: " + why in out and "2 trials: 2 " in out


def test_a_trial_that_diverges_or_is_worse_ends_early(studies: Studies) -> None:
    """And says why: a loss that is no number, or what the diagnosis calls critical."""
    long = ["--steps", "600", "--period", "0.1"]
    out = studies.done("--name", "s", "--budget", "2", "--jobs", "2", "train.py", LR, "--nan-above", "0", *long, code=1)
    assert out.count("diverged (loss/val is nan at step ") == 2
    out = studies.done("--name", "t", "--budget", "1", "train.py", LR, "--broken", *long, code=1)
    assert "broken at " in out and "(fc1 is dead)" in out and "the last: fc1 is dead" in out


def interrupt(search: subprocess.Popen[str]) -> None:
    """Ctrl-C twice; the second once the first has been answered, as two signals at once are one."""
    search.send_signal(signal.SIGINT)
    assert search.stdout
    while "no more trials start; waiting for" not in (line := search.stdout.readline()):
        assert line
    search.send_signal(signal.SIGINT)


def test_ctrl_c_leaves_a_study_that_goes_on(studies: Studies) -> None:
    """The first waits for the trials in flight, the second stops them; a changed plan is refused afterwards."""
    search = studies.begin("--name", "s", "--budget", "3", "--jobs", "2", "train.py", LR, "--steps", "900", "--period", "0.1")
    wait_until(lambda: len(logging(studies)) == 2, what="two trials train")
    interrupt(search)
    out, errors = search.communicate(timeout=60)
    assert search.returncode == 130 and not errors, errors
    assert "2 interrupted" in out and all(status(run) in ("stopped", "killed") for run in studies.trials())
    plan = studies.runs / "s" / "study.toml"
    before = plan.read_text()
    plan.write_text(before.replace("900", "5"))
    assert "has changed since it began" in studies.done("s", code=1)
    plan.write_text(before)
    (studies.folder / "train.py").write_text("print()")
    assert "has changed since it began" in studies.done("s", code=1)
    assert len(studies.trials()) == 2


def logging(studies: Studies) -> list[Path]:
    """The trials that have logged a value."""
    return [run for run in studies.trials() if any(run.glob("events.out.tfevents.*.run"))]


def test_what_was_interrupted_is_tried_again(studies: Studies) -> None:
    """By the search that goes on, with the same values, until the budget is used up."""
    search = studies.begin("--name", "s", "--budget", "3", "train.py", LR, "--steps", "30", "--period", "0.1")
    wait_until(lambda: logging(studies), what="a trial trains")
    interrupt(search)
    search.communicate(timeout=60)
    trials = lines(studies.done("--json", "s"), "trial")
    shown = lines(studies.done("--show", "--json", "s"), "trial")
    first = next(trial for trial in shown if trial["outcome"] == "interrupted")
    assert [trial["outcome"] for trial in trials] == ["finished"] * 3 and trials[0]["values"] == first["values"]


def test_a_killed_search_loses_nothing(studies: Studies) -> None:
    """Its trials train on by themselves, and the next search takes them over with what they were worth."""
    search = studies.begin("--name", "s", "--budget", "3", "--jobs", "2", "train.py", LR, "--steps", "40", "--period", "0.1")
    wait_until(lambda: len(logging(studies)) == 2, what="two trials train")
    search.kill()
    search.communicate()
    assert {*map(status, studies.trials())} <= {"starting", "running"}
    out = studies.done("s")
    assert out.count("its search was killed; this one goes on with it") == 2 and "s: 3 trials: 3 finished" in out


def test_two_searches_share_a_study(studies: Studies) -> None:
    """Each trial is started once, by one of them; together they do not start more than the budget."""
    one = studies.begin("--name", "s", "--budget", "8", "--json", "train.py", LR, "--steps", "5", "--period", "0.1")
    wait_until(lambda: (studies.runs / "s" / "study.toml").exists() and logging(studies), what="the study has begun")
    other = studies.begin("--json", "s")
    told = [lines(process.communicate(timeout=100)[0], "trial") for process in (one, other)]
    assert one.returncode == other.returncode == 0 and min(map(len, told)) > 0
    runs = [trial["run"] for part in told for trial in part]
    assert sorted(runs) == [f"s/trial-{n:04d}" for n in range(1, 9)] and len(studies.trials()) == 8


def test_a_trial_whose_process_is_killed_says_so(studies: Studies) -> None:
    """And one that somebody stops has the value that it has reached; the search goes on."""
    search = studies.begin("--name", "s", "--budget", "3", "--json", "train.py", LR, "--steps", "60", "--period", "0.1")
    wait_until(lambda: len(logging(studies)) == 1, what="the first trains")
    os.kill(next(one.pid for one in processes(studies.trials()[0]) if is_trainer(studies, one.pid)), signal.SIGKILL)
    wait_until(lambda: len(logging(studies)) == 2, what="the second trains")
    stop(studies.trials()[1])
    out, errors = search.communicate(timeout=100)
    first, second, third = lines(out, "trial")
    assert (first["outcome"], first["why"]) == ("killed", "killed by SIGKILL"), errors
    assert second["outcome"] in ("stopped", "killed") and third["outcome"] == "finished" and search.returncode == 0


def is_trainer(studies: Studies, pid: int) -> bool:
    spawned = lifecycle(studies.trials()[0]).spawned
    return spawned is not None and spawned.pid == pid


def test_a_good_enough_value_ends_the_search(studies: Studies) -> None:
    """So does the time; a grid says what random search would cover."""
    out = studies.done("--name", "s", "--budget", "until loss/val<100, 50 trials", "train.py", LR)
    assert "s: 1 trial: 1 finished" in out
    out = studies.done("--name", "t", "--budget", "0.5s", "train.py", LR, "--steps", "8", "--period", "0.1")
    assert "t: 1 trial: 1 finished" in out
    out = studies.done("--name", "g", "--sampler", "grid", "--budget", "4", "train.py", LR, "--act=choice(relu,tanh)")
    assert "tries 2 values of each range; random search would try 4" in out and "g: 4 trials: 4 finished" in out


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["digits-mlp", "lr=loge(1,2)"], "nothing is varied"),
        (["nothing-like-it"], "no preset, file, program or study has this name"),
        (["--show", "nothing"], "There is no study|has this name"),
        (["train.py", "--lr=1"], "No option of train.py is varied"),
        (["--gpus", "7", "train.py", LR], "cuda:7"),
    ],
)
def test_what_cannot_be_searched_is_said_before_anything_starts(studies: Studies, arguments: list[str], why: str) -> None:
    """In one line; no study is begun."""
    out = studies.done(*arguments, code=1)
    assert any(one in out for one in why.split("|")) and out.startswith("tuimon: ")
    assert os.listdir(studies.runs) == []


@pytest.mark.timeout(300)
def test_a_presets_spec_is_varied(studies: Studies) -> None:
    """Real trainings; values that do not fit together are told as such, and the base is the study's own copy."""
    words = ["digits-softmax", "nesterov=bool()", "momentum=choice(0,0.9)", "optimizer=sgd", "epochs=1"]
    process = studies.begin("--name", "s", "--sampler", "grid", "--budget", "4", "--jobs", "2", "--json", *words)
    out, errors = process.communicate(timeout=280)
    trials = lines(out, "trial")
    wrong = [t for t in trials if t["values"]["nesterov"] == "true" and t["values"]["momentum"] == "0"]
    assert process.returncode == 0 and len(trials) == 4 and len(wrong) == 1, errors
    assert all(t["outcome"] == "failed" and "needs optimizer.momentum above 0" in t["why"] for t in wrong)
    right = [t for t in trials if t not in wrong]
    assert all(t["outcome"] == "finished" and t["value"] > 0 for t in right), (right, errors)
    assert "2 trials at a time" in errors and (studies.runs / "s" / "base.toml").exists()


def test_lists_fold_a_study(studies: Studies) -> None:
    """Into one row, unless its trials are asked for; JSON and names have all runs. Lists do not import Optuna."""
    studies.done("--name", "s", "--budget", "3", "train.py", LR)
    code = "import sys; from tuimon.cli.main import main; main(sys.argv[1:]); assert 'optuna' not in sys.modules"

    def listed(*more: str) -> list[str]:
        command = [sys.executable, "-c", code, "ls", "--runs-dir", str(studies.runs), *more]
        return subprocess.run(command, capture_output=True, text=True, check=True, env=studies.environment).stdout.splitlines()

    (row,) = listed()[1:]
    assert row.split()[:4] == ["s", "study", "3", "trials"]
    assert len(listed("--trials")) == 4 and len(listed("--json")) == len(listed("--names")) == 3
