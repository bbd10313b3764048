"""`python -m tuimon.training SPEC`: trains a spec in this process.

Exit codes: 0 finished, 1 failed, 2 wrong arguments, 130 stopped by the user. The first SIGINT or SIGTERM stops it after the
current step, a validation and a checkpoint; the second stops it at once.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tuimon.base.errors import TuimonError
from tuimon.monitor.folder import keep
from tuimon.spec.loading import load_spec
from tuimon.training.signals import StopSignals

FINISHED, FAILED, STOPPED = 0, 1, 130


def main(arguments: list[str] | None = None) -> int:
    """Trains a spec and returns the exit code."""
    options = _parser().parse_intermixed_args(arguments)
    try:
        with StopSignals() as signals:
            return _run(options, signals)
    except TuimonError as error:
        print(f"tuimon: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("tuimon: stopped at once; a resumed run continues from the last checkpoint", file=sys.stderr)
        return STOPPED


def _run(options: argparse.Namespace, signals: StopSignals) -> int:
    spec = load_spec(options.spec, options.overrides)
    run_dir = _run_dir(options)
    if run_dir is not None:
        keep(run_dir)
        if not options.resume:
            _check_untrained(run_dir)
    from tuimon.training.loop import train  # imports torch, which takes seconds; signals are already handled

    trainer = train(spec, run_dir, resume=options.resume, fork=options.fork, signals=signals)
    return FINISHED if trainer.how == "finished" else STOPPED


def _run_dir(options: argparse.Namespace) -> Path | None:
    """The given folder; to resume without one, the folder of the spec, because a run's spec is in the run's folder."""
    if options.run_dir is not None:
        return Path(options.run_dir)
    source = Path(options.spec)
    return (source if source.is_dir() else source.parent) if options.resume else None


def _check_untrained(run_dir: Path) -> None:
    """Refuses a folder that already holds a training: two of them would mix in one log.

    Raises:
        TuimonError: the folder already holds a training.
    """
    if (run_dir / "checkpoints" / "last.pt").exists():
        raise TuimonError(f"{run_dir}: already holds a trained run", "Add --resume to continue it, or use another folder.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tuimon.training", description="Trains a spec.")
    parser.add_argument("spec", metavar="SPEC", help="a preset's name, a .toml file, or a run's folder")
    parser.add_argument("overrides", metavar="key=value", nargs="*", help="changes to the spec, such as lr=0.01")
    parser.add_argument("--run-dir", metavar="DIR", help="the run's folder (default: a new one)")
    text = "continue the run in that folder from its checkpoint, which is in this run's folder as checkpoints/fork.pt"
    parser.add_argument("--fork", metavar="DIR", type=Path, help=text)
    parser.add_argument("--resume", action="store_true", help="continue from the run's last checkpoint")
    return parser


if __name__ == "__main__":
    sys.exit(main())
