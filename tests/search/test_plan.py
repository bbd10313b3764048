"""Plans: budgets, objectives, files, and what may change under a study."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import pytest

from tuimon.base.errors import TuimonError
from tuimon.search.begin import make_study, plan_for_program, plan_for_spec
from tuimon.search.plan import Budget, Objective, Plan, budget, read_plan


def test_budgets_are_read() -> None:
    """Trials, a time, a value of the objective, or several."""
    loss, accuracy = Objective(), Objective("accuracy/val", "max")
    assert budget("50 trials", loss) == budget("50", loss) == Budget(trials=50)
    assert budget("2h", loss).seconds == 7200 and budget("1.5 min", loss).seconds == 90
    assert budget("until loss/val<0.1, 2h, 50 trials", loss) == Budget(50, 7200, 0.1)
    assert budget("accuracy/val > 0.97", accuracy).until == 0.97


@pytest.mark.parametrize("text", ["", "soon", "0 trials", "until loss/val>0.1", "until accuracy/val<0.1", "loss/val<low"])
def test_a_budget_that_makes_no_sense_is_refused(text: str) -> None:
    """Also one that is about another curve, or the wrong way round."""
    with pytest.raises(TuimonError, match="budget"):
        budget(text, Objective())


def test_a_trial_is_worth_one_number_of_its_curve() -> None:
    """Its best finite value, its last, or a mean; NaN if there is none."""
    curve = [3.0, 1.0, math.nan, 2.0]
    assert Objective().value(curve) == 1.0 and Objective(goal="max").value(curve) == 3.0
    assert Objective(of="last").value(curve) == 2.0 and Objective(of="mean:2").value([1.0, 2.0, 4.0]) == 3.0
    assert math.isnan(Objective().value([])) and math.isnan(Objective().value([math.nan]))
    assert Objective().better(1, math.nan) and not Objective().better(math.nan, 1) and Objective(goal="max").better(2, 1)


def test_a_plan_is_what_its_file_says(tmp_path: Path) -> None:
    """Written and read back; in a file of the user's own, too."""
    plan = plan_for_spec("digits-mlp", ["lr=log(1e-4,1)", "epochs=3", "activation=choice(relu,tanh)"], {"sampler": "fine"})
    folder = make_study(plan, tmp_path / "runs", None)
    assert folder.name == "digits-mlp-search-01" and read_plan(folder) == plan
    own = tmp_path / "mine.toml"
    own.write_text('source = "digits-mlp"\nsampler = "tpe"\n[space]\n"model.hidden" = "int(50,100)"\n')
    plan = plan_for_spec(str(own), ["lr=log(1e-4,1)", "epochs=2"], {"seed": 7})
    assert (plan.sampler, plan.seed, plan.settings) == ("tpe", 7, ("epochs=2",))
    assert [one.name for one in plan.dimensions] == ["model.hidden", "lr"]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["lr=log(1e-4,1e6)"], "optimizer.lr"),
        (["learning=log(1e-4,1)"], "no such key"),
        (["activation=choice(relu,sine)"], "activation"),
        (["lr=log(1e-4,1)", "optimizer.lr=uniform(0.1,1)"], "varied twice"),
        (["epochs=3"], "nothing is varied"),
        (["lr=log(1e-4,1)"], "needs a number of trials"),
        (["log(1,2)"], "must be key=value"),
    ],
)
def test_a_space_that_no_run_can_have_is_refused(words: list[str], why: str) -> None:
    """Before a folder is made."""
    with pytest.raises(TuimonError, match=why):
        plan_for_spec("digits-mlp", words, {"sampler": "fine", "budget": "2h"} if "number" in why else {})


def test_a_wrong_file_names_its_key(tmp_path: Path) -> None:
    """And itself."""
    own = tmp_path / "mine.toml"
    own.write_text('source = "digits-mlp"\nsampler = "best"\n[space]\nlr = "log(1e-4,1)"\n')
    with pytest.raises(TuimonError, match=r"mine\.toml.*sampler"):
        plan_for_spec(str(own), [], {})


def test_a_programs_options_are_varied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written with = or as the next word; what has no range stays."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").touch()
    plan = plan_for_program(["train.py", "--lr=log(1e-4,1)", "--act", "choice(a,b)", "--epochs", "5", "data"], {})
    assert plan.program == ("train.py", "--lr={lr}", "--act", "{act}", "--epochs", "5", "data")
    assert plan.space == {"lr": "log(1e-4,1)", "act": "choice(a,b)"} and plan.cwd == str(tmp_path)
    with pytest.raises(TuimonError, match=r"No option of train\.py is varied"):
        plan_for_program(["train.py", "--lr=1"], {})


def test_budget_and_pruner_may_change_under_a_study() -> None:
    """Nothing else: its trials could not be compared."""
    plan = Plan(space={"lr": "log(1e-4,1)"})
    same = msgspec.structs.replace(plan, budget="2h", pruner="median")
    assert plan.fingerprint("base") == same.fingerprint("base") != plan.fingerprint("other")
    assert plan.fingerprint("base") != msgspec.structs.replace(plan, space={"lr": "log(1e-4,2)"}).fingerprint("base")
