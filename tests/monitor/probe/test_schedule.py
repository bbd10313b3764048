"""When samples are due: how old the layer table grows, what samples cost, how much they log. On a clock of the test's own."""

from __future__ import annotations

import itertools
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

import tuimon
from tuimon.log.store import STALE_S
from tuimon.monitor.probe.schedule import WINDOW_S, Schedule

BUDGET = 0.01


def paid(schedule: Schedule, taken: float, cost_s: float, table_bytes: float = 0, arrived: float | None = None) -> float:
    """When the next sample is due, after one whose table was packed."""
    schedule.take(taken)
    schedule.took(taken)
    schedule.pay(taken if arrived is None else arrived, cost_s, table_bytes, packed=True)
    return schedule.next_time


def test_samples_are_spaced_by_their_cost_and_their_room() -> None:
    """A sample of 20 ms waits two seconds at 1 %; so does a table of 32 KiB, and longer as the run grows old."""
    schedule = Schedule(BUDGET, now=100.0)
    assert schedule.next_time == 100.0
    assert paid(schedule, 103.0, 0.02) == pytest.approx(105.0, abs=0.2)
    assert paid(Schedule(BUDGET, now=100.0), 103.0, 0.001, 32 * 1024) == pytest.approx(105.0)
    assert paid(Schedule(BUDGET, now=100.0), 6100.0, 0.001, 32 * 1024) == pytest.approx(6100.0 + 20.0)


def test_a_small_table_is_fresh_however_old_a_run_is() -> None:
    """Below 512 bytes a second its rate does not fall."""
    assert paid(Schedule(BUDGET, now=0.0), 90 * 86400.0, 0.001, 2048) == pytest.approx(90 * 86400.0 + 4.0)


def test_a_fresh_table_is_not_sampled_again() -> None:
    """However cheap it is: at most once a second, and in a short run once in a thirtieth of it."""
    assert paid(Schedule(BUDGET, now=100.0), 106.0, 1e-4) == pytest.approx(106.2)
    assert paid(Schedule(BUDGET, now=100.0), 900.0, 1e-4) == pytest.approx(901.0)


def test_a_sample_is_due_after_the_last_one_was_taken_and_not_after_it_arrived() -> None:
    """A device tells of it late, and a step that holds a validation is long by nature: that time is the training's own."""
    assert paid(Schedule(BUDGET, now=100.0), 103.0, 0.02, arrived=133.0) == pytest.approx(105.0, abs=0.2)


def test_a_run_that_has_just_begun_is_sampled_more_often() -> None:
    """Eight times as often for two seconds, within bounds: half a second of training shows units dying, too."""
    assert paid(Schedule(BUDGET, now=100.0), 101.0, 0.008) == pytest.approx(101.1)
    assert paid(Schedule(BUDGET, now=100.0), 101.0, 0.08) > 105.0


def test_histograms_wait_for_room_and_the_table_does_not() -> None:
    """Of a large model each sample logs the table, some of them as scalars, and some of them the rest."""
    schedule, now = Schedule(BUDGET, now=0.0), 10.0
    rest, scalars = [], []
    for _ in range(24):
        schedule.take(now)
        rest.append(schedule.wants_rest)
        scalars.append(schedule.wants_scalars)
        room = 40 * 1024 if scalars[-1] else 4 * 1024
        schedule.pay(now, 0.02, room, 640 * 1024 if rest[-1] else 0, not scalars[-1])
        now = schedule.next_time
    lasted = now - 10.0
    assert lasted == pytest.approx(24 * 2.0, rel=0.2)
    assert lasted / 20 <= sum(rest) <= lasted / 20 + 1
    assert lasted / 7.5 * 0.7 <= sum(scalars) <= lasted / 7.5 + 1


def test_a_long_runs_samples_take_a_bounded_room() -> None:
    """A week of samples of two hundred layers takes no more than 600 MB, and the table is always fresh.

    With tables of 48 kB, or 2.6 kB packed, and 90 kB besides.
    """
    schedule, now, written, oldest = Schedule(BUDGET, 0.0), 0.0, 0.0, 0.0
    while now < 7 * 86400:
        schedule.take(now)
        rest = 90e3 if schedule.wants_rest else 0.0
        table, packed = (48e3, False) if schedule.wants_scalars else (2.6e3, True)
        schedule.pay(now, 0.02, table, rest, packed)
        oldest, now, written = max(oldest, schedule.next_time - now), schedule.next_time, written + table + rest
    assert written < 600e6 and oldest < 5.1


Cost = Callable[[bool], float]  # of a sample: whole, or of the table alone


def simulated(steps: Iterator[float], cost: Cost, seconds: float) -> tuple[list[float], list[tuple[float, float]]]:
    """A training with steps of these lengths: when the table was renewed; when samples were taken, and what each has cost."""
    schedule, now, armed = Schedule(BUDGET, 0.0), 0.0, 0.0
    renewed, costs = [], []
    schedule.take(now)
    sampling = True
    while now < seconds:
        now += next(steps)
        if sampling:
            schedule.took(now)
            costs.append((armed, cost(schedule.wants_rest)))
            schedule.pay(now, costs[-1][1], 2000, 4000 if schedule.wants_rest else 0)
            renewed.append(now)
            sampling = False
        if now >= schedule.next_time:
            schedule.take(now)
            sampling, armed = True, now
    return renewed, costs


def most_in_a_window(costs: list[tuple[float, float]]) -> float:
    """The largest share of any 30 s that samples took."""
    return max(sum(cost for at, cost in costs if begin <= at < begin + WINDOW_S) for begin, _ in costs) / WINDOW_S


def short(seed: int, longest: float) -> Iterator[float]:
    """Steps of random lengths, as on a machine that others use, too."""
    generator = random.Random(seed)
    while True:
        yield longest * generator.random() ** 2


@pytest.mark.parametrize("longest", [0.001, 0.1, 0.4, 0.9])
@pytest.mark.parametrize("typical", [0.0005, 0.005, 0.02, 0.03, 0.047])
def test_a_table_is_fresh_and_its_cost_within_the_budget(longest: float, typical: float) -> None:
    """Of steps under a second and samples under 50 ms: but for one sample the budget in any 30 s, and no more than 5 s old.

    A sample begins and ends with a step: where not even these leave 5 s, the budget comes first.
    """
    generator = random.Random(3)
    renewed, costs = simulated(short(1, longest), lambda _: typical * generator.uniform(0.8, 1.04), 300)
    one = max(cost for _, cost in costs)
    oldest = max(later - earlier for earlier, later in itertools.pairwise(renewed))
    assert oldest <= max(STALE_S, typical / BUDGET + 2 * longest)
    assert most_in_a_window(costs) <= BUDGET + one / WINDOW_S


class ManyLayers:
    """What samples of two hundred layers cost: the first one, with nothing in the caches, a third more than the others."""

    def __init__(self, seed: int, whole: float = 0.048, table: float = 0.025) -> None:
        self._noise, self._whole_s, self._table_s = random.Random(seed), whole, table
        self.wholes: list[bool] = []

    def __call__(self, whole: bool) -> float:
        """Seconds."""
        first = 1.0 if self.wholes else 1.35
        self.wholes.append(whole)
        return (self._whole_s if whole else self._table_s) * first * self._noise.uniform(0.85, 1.15)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("longest", [0.001, 0.06, 0.2])
def test_whole_samples_leave_the_table_of_many_layers_fresh(longest: float, seed: int) -> None:
    """Whole ones alone would use up the budget, and the table would wait until the first of them is out of the window."""
    cost = ManyLayers(seed)
    renewed, costs = simulated(short(seed, longest), cost, 300)
    assert max(later - earlier for earlier, later in itertools.pairwise(renewed)) <= STALE_S
    assert most_in_a_window(costs) <= BUDGET + 0.025 / WINDOW_S
    taken = [at for (at, _), whole in zip(costs, cost.wholes, strict=True) if whole]
    assert len(taken) > len(costs) / 4 and max(later - earlier for earlier, later in itertools.pairwise(taken)) < WINDOW_S


def test_pauses_episodes_and_validations_make_the_table_of_many_layers_no_older_than_themselves() -> None:
    """However they fall between whole samples and others."""

    def steps() -> Iterator[float]:
        for i in itertools.count(1):
            yield 20.0 if i % 211 == 0 else 3.0 if i % 97 == 0 else 0.7 if i % 40 == 0 else 0.05

    renewed, costs = simulated(steps(), ManyLayers(1), 1200)
    ages = sorted(later - earlier for earlier, later in itertools.pairwise(renewed))
    assert ages[-1] <= 20.0 + 3.0 + STALE_S and ages[len(ages) // 2] <= STALE_S
    assert sum(age > STALE_S for age in ages) <= 1200 / 20  # of the long steps that there are
    assert most_in_a_window(costs) <= BUDGET + 0.048 * 1.35 / WINDOW_S


@pytest.mark.parametrize("table", [0.055, 0.076, 0.15])
def test_a_table_that_cannot_be_fresh_is_renewed_evenly(table: float) -> None:
    """Of a thousand layers and more: at its own pace, with a whole sample now and then, and the budget holds over a while."""
    cost = ManyLayers(2, 1.5 * table, table)
    renewed, costs = simulated(short(2, 0.2), cost, 900)
    ages = [later - earlier for earlier, later in itertools.pairwise(renewed)]
    assert max(ages[2:]) <= 1.7 * table / BUDGET
    assert sum(cost for _, cost in costs) / 900 <= BUDGET * 1.02
    assert 900 / 200 < sum(cost.wholes) < len(costs) / 2


def test_a_sample_that_costs_far_more_than_the_others_makes_no_table_old() -> None:
    """One in five: the median spaces them, and what all together cost slows them down as far as 5 s allow."""
    kinds = itertools.cycle([0.008, 0.009, 0.06, 0.008, 0.01])
    renewed, costs = simulated(short(2, 0.2), lambda _: next(kinds), 300)
    assert max(later - earlier for earlier, later in itertools.pairwise(renewed)) <= STALE_S
    assert most_in_a_window(costs) <= BUDGET + 0.06 / WINDOW_S


def test_a_first_sample_that_costs_more_than_the_others_makes_no_table_old() -> None:
    """Nothing is in the caches yet, and all of it is logged: the second one tells what samples cost."""
    costs = itertools.chain([0.065], itertools.repeat(0.03))
    renewed, paid_for = simulated(short(2, 0.1), lambda _: next(costs), 120)
    assert max(later - earlier for earlier, later in itertools.pairwise(renewed)) <= STALE_S
    assert most_in_a_window(paid_for) <= BUDGET + 0.03 / WINDOW_S


@pytest.mark.parametrize("long", [3.0, 40.0])
def test_a_long_step_makes_the_table_no_older_than_itself(long: float) -> None:
    """A validation, a pause, an episode in the loop: the steps after it renew the table at once, and it is no sample's cost."""

    def steps() -> Iterator[float]:
        for i in itertools.count(1):
            yield long if i % 100 == 0 else 0.05

    renewed, costs = simulated(steps(), lambda _: 0.02, 600)
    ages = [later - earlier for earlier, later in itertools.pairwise(renewed)]
    assert max(ages) <= long + STALE_S
    assert sum(age > STALE_S for age in ages) <= 600 / (long + 5) + 1
    assert most_in_a_window(costs) <= BUDGET + 0.02 / WINDOW_S


def test_steps_that_are_all_long_are_all_sampled() -> None:
    """An episode of ten seconds between two steps: each of them shows."""
    renewed, _ = simulated(itertools.repeat(10.0), lambda _: 0.02, 600)
    assert {round(later - earlier) for earlier, later in itertools.pairwise(renewed)} <= {10, 20}


def test_a_costly_sample_waits_as_long_as_the_budget_says() -> None:
    """200 ms at 1 %: twenty seconds."""
    renewed, costs = simulated(short(5, 0.1), lambda _: 0.2, 600)
    assert most_in_a_window(costs[1:]) <= BUDGET + 0.2 / WINDOW_S
    assert max(later - earlier for earlier, later in itertools.pairwise(renewed)) < 35


BUSY = "while True: pass"


def test_a_real_trainings_table_stays_fresh_beside_two_busy_processes(tmp_path: Path) -> None:
    """It pauses, validates and collects episodes meanwhile; no time of those is charged to a sample."""
    torch.set_num_threads(1)
    model = nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 4))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    inputs = torch.randn(32, 16)
    others = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(2)]
    longest_step = 0.0
    try:
        with tuimon.watch(model, optimizer, run_dir=tmp_path / "run", meters=False, serve=False) as monitor:
            begin = before = time.monotonic()
            for i in itertools.count(1):
                optimizer.zero_grad()
                model(inputs).square().mean().backward()
                optimizer.step()
                monitor.log(loss=1.0)
                if i % 40 == 0:  # an episode
                    time.sleep(0.3)
                if i % 400 == 0:  # a validation
                    with torch.no_grad():
                        for _ in range(200):
                            model(inputs)
                now = time.monotonic()
                longest_step, before = max(longest_step, now - before), now
                if now - begin > 8:
                    break
    finally:
        for other in others:
            other.kill()
            other.wait()
    walls = tuimon.read_run(tmp_path / "run")["grad_norm/0"].walls
    ages = [*(later - earlier for earlier, later in itertools.pairwise(walls))]
    assert len(walls) > 2 and max(ages) <= STALE_S + 2 * longest_step
