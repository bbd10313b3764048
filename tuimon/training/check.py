"""`python -m tuimon.training.check SPEC`: checks a spec before training, in this process.

Prints the report line by line as checks finish, as JSON with --json. Exit codes: 0 no check fails, 1 a check fails, 2 wrong
arguments, 3 no valid spec, 130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Iterator

from tuimon.base.errors import TuimonError
from tuimon.spec.loading import load_spec
from tuimon.spec.spec import Spec
from tuimon.training.report import Line, worst

FINE, FAILED, NOT_MADE, STOPPED = 0, 1, 3, 130


def main(arguments: list[str] | None = None) -> int:
    """Runs the checks and returns the exit code."""
    options = _parser().parse_intermixed_args(arguments)
    try:
        return _look(load_spec(options.spec, options.overrides), options.json)
    except TuimonError as error:
        print(f"tuimon: {error}", file=sys.stderr)
        return NOT_MADE
    except KeyboardInterrupt:
        return STOPPED


def _look(spec: Spec, json: bool) -> int:
    with _only_lines() as tell:
        from tuimon.training.checks import report  # imports torch

        lines = []
        for line in report(spec):
            lines.append(line)
            tell(line.encode() if json else _plain(line))
    return FAILED if worst(lines) == "fail" else FINE


@contextlib.contextmanager
def _only_lines() -> Iterator[Callable[[str], None]]:
    """Yields a function that prints a line to stdout; whatever else prints meanwhile, such as a model, goes to stderr."""
    sys.stdout.flush()
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as stdout:
        os.dup2(2, 1)
        try:
            yield lambda text: print(text, file=stdout, flush=True)
        finally:
            sys.stdout.flush()
            os.dup2(stdout.fileno(), 1)


def _plain(line: Line) -> str:
    return f"{line.verdict}  {line.check}  {line.number}  {line.text}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tuimon.training.check", description="Checks a spec before training.")
    parser.add_argument("spec", metavar="SPEC", help="a preset's name, a .toml file, or a run's folder")
    parser.add_argument("overrides", metavar="key=value", nargs="*", help="changes to the spec, such as lr=0.01")
    parser.add_argument("--json", action="store_true", help="print JSON lines")
    return parser


if __name__ == "__main__":
    sys.exit(main())
