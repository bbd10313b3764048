"""Whether a fault is one: is the run really worse than its healthy twin; and is a healthy run healthy?

A training has made progress by as much as its error, or its loss, is below the best answer that looks at no input. A faulty
run is worse if at least `MARGIN` of its twin's progress is lost: at the end, in error or in loss, or in the mean over the run's
checks, which is what a slow start costs. Losses are compared only between runs that compute them alike.
"""

from __future__ import annotations

import math
import statistics

from benchmarks.diagnosis.case import Case
from benchmarks.diagnosis.outcome import Outcome

MARGIN = 0.10
SLOWER = 1.5  # times the twin's step
LEAKED_BYTES = 64 * 2**20  # beyond what the twin's process grew by
LEARNED = 0.30  # of the way from chance to no error, or a tenth of the loss: what a healthy run must have made
RISEN = 0.10  # of its progress in loss: what a healthy run may have lost again at its end


def lost(faulty: Outcome, twin: Outcome) -> float:
    """The largest share of the twin's progress that the faulty run lacks; infinite where its net says NaN."""
    shares = [_share(faulty.error, twin.error, twin.chance_error)]
    means = [statistics.fmean(check.error for check in run.checks) for run in (faulty, twin)]
    shares.append(_share(*means, twin.chance_error))
    if faulty.formula == twin.formula and abs(faulty.chance_loss / twin.chance_loss - 1) < 0.2:
        shares.append(_share(faulty.loss, twin.loss, twin.chance_loss))
        means = [statistics.fmean(min(check.loss, 1e9) for check in run.checks) for run in (faulty, twin)]
        shares.append(_share(*means, twin.chance_loss))
    return max(shares)


def _share(faulty: float, twin: float, chance: float) -> float:
    if not math.isfinite(faulty):
        return math.inf
    return (faulty - twin) / (chance - twin) if chance > twin else 0.0


def is_worse(case: Case, faulty: Outcome, twin: Outcome) -> tuple[bool, str]:
    """Whether the faulty run is worse by what its case says, and by how much."""
    if case.worse_by == "step_s":
        ratio = faulty.step_s / twin.step_s
        return ratio >= SLOWER, f"{ratio:.1f} × the twin's step"
    if case.worse_by == "grown_bytes":
        more = faulty.grown_bytes - twin.grown_bytes
        return more >= LEAKED_BYTES, f"{more / 2**20:.0f} MiB more than the twin"
    share = lost(faulty, twin)
    return share >= MARGIN, f"{min(share, 10.0):.0%}{'' if share <= 10 else ' and more'} of the twin's progress lost"


def is_healthy(outcome: Outcome) -> tuple[bool, str]:
    """Whether a run has learned and kept what it learned."""
    if outcome.learned is not None:
        return outcome.learned, "learned" if outcome.learned else "has not learned"
    if not math.isfinite(outcome.error):
        return False, "ended with NaN"
    progress = 1 - outcome.error / outcome.chance_error
    losses = [check.loss for check in outcome.checks if math.isfinite(check.loss)]
    least = min(losses, default=math.nan)
    fallen = max(outcome.chance_loss, outcome.checks[0].loss) - least
    risen = (outcome.loss - least) / max(fallen, 1e-9)
    text = f"{progress:.0%} of the way from chance, {max(risen, 0):.0%} of the loss's fall lost again"
    return progress >= LEARNED and not risen > RISEN, text
