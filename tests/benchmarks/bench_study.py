"""What a study page costs with 50 trials and with 5,000: opening, noticing one more trial, rows of the table, each picture.

python tests/benchmarks/bench_study.py
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import optuna
from optuna.storages.journal import JournalFileBackend, JournalStorage

from tuimon.base.process import this_process
from tuimon.search.begin import make_study, plan_for_spec
from tuimon.search.plan import JOURNAL_FILE
from tuimon.search.reading import StudyReader
from tuimon.viewer.widgets.study_plot import VIEWS, StudyPlot
from tuimon.viewer.widgets.study_table import StudyTable, ordered

CURVE = 20  # validations of a trial
TIMES = 5


def study_of(folder: Path, trials: int) -> Path:
    """A study of so many trials that are over, as a search leaves them."""
    plan = plan_for_spec("digits-mlp", ["lr=log(1e-5,1e-1)", "dropout=uniform(0,0.5)"], {"budget": f"{trials} trials"})
    made = make_study(plan, folder, f"s{trials}")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(storage=JournalStorage(JournalFileBackend(str(made / JOURNAL_FILE))), study_name="study")
    add(study, trials)
    return made


def add(study: optuna.Study, trials: int) -> None:
    """Adds trials that are over."""
    random = np.random.default_rng(len(study.get_trials(deepcopy=False)))
    owner = this_process()
    space = {
        "lr": optuna.distributions.FloatDistribution(1e-5, 1e-1, log=True),
        "dropout": optuna.distributions.FloatDistribution(0, 0.5),
    }
    made = []
    for _ in range(trials):
        lr, dropout = float(10 ** random.uniform(-5, -1)), float(random.uniform(0, 0.5))
        curve = np.exp(-np.arange(CURVE) / 5) + (np.log10(lr) + 3) ** 2 / 4 + random.normal(0, 0.02, CURVE)
        values = {"lr": f"{lr:.6g}", "dropout": f"{dropout:.6g}"}
        started = {"values": values, "round": 0, "owner": {name: getattr(owner, name) for name in owner.__struct_fields__}}
        made.append(
            optuna.trial.create_trial(
                value=float(curve.min()),
                params={"lr": lr, "dropout": dropout},
                distributions=space,
                intermediate_values={nth + 1: float(value) for nth, value in enumerate(curve)},
                user_attrs={"started": started, "ended": {"outcome": "finished", "value": float(curve.min()), "why": ""}},
            )
        )
    study.add_trials(made)


def ms(what: Callable[[], object], times: int = TIMES) -> float:
    """The median time of a call in milliseconds."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        what()
        found.append(1e3 * (time.perf_counter() - began))
    return statistics.median(found)


def measured(folder: Path) -> dict[str, float]:
    """All costs of one study, in milliseconds."""
    found = {"open": ms(lambda: StudyReader(folder).look(), 3)}
    reader = StudyReader(folder)
    look = reader.look()
    assert look
    found["look, nothing new"] = ms(reader.look, 50)
    study = optuna.load_study(storage=JournalStorage(JournalFileBackend(str(folder / JOURNAL_FILE))), study_name="study")
    news = []
    for _ in range(TIMES):
        add(study, 1)
        began = time.perf_counter()
        reader.look()
        news.append(1e3 * (time.perf_counter() - began))
    found["look, one more trial"] = statistics.median(news)
    found["sort the table"] = ms(lambda: ordered(look, ""))
    table, plot = StudyTable(), StudyPlot()
    type(plot).ascii = type(table).ascii = False  # type: ignore[assignment,misc]  # there is no app here
    table._look, table._trials = look, ordered(look, "")
    found["draw 30 rows"] = ms(lambda: [table.row(i, 100) for i in range(30)])
    plot.redraw = lambda: None  # type: ignore[method-assign]
    found["give it to the picture"] = ms(lambda: plot.show(look))
    for view in VIEWS:
        if view != "importance":
            plot.view = view
            found[f"draw: {view}"] = ms(lambda: plot.draw(100, 30))
    return found


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        few, many = (measured(study_of(Path(place), trials)) for trials in (50, 5000))
        print(f"{'':26}{'50 trials':>12}{'5,000':>12}  ms")
        for what, one in few.items():
            print(f"{what:26}{one:12.2f}{many[what]:12.2f}")


if __name__ == "__main__":
    main()
