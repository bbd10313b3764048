"""`python -m fuzz` from the folder of the tests: what `make fuzz` does."""

from __future__ import annotations

import argparse
import random
import sys

from fuzz.fuzzing import fuzz, save
from fuzz.targets import TARGETS


def main() -> int:
    """Fuzzes the targets; returns 1 if anything was found, and keeps what was."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="repeats an earlier run")
    parser.add_argument("--inputs", type=int, default=1_000_000, help="for each target")
    parser.add_argument("--target", action="append", choices=TARGETS, help="one of the targets; all of them otherwise")
    options = parser.parse_args()
    start = random.SystemRandom().randrange(1 << 31) if options.seed is None else options.seed
    print(f"SEED={start}", flush=True)
    found = 0
    for name in options.target or TARGETS:
        outcome = fuzz(TARGETS[name], options.inputs, start, lambda text, name=name: print(f"{name}: {text}", flush=True))
        print(f"{name}: done; grew by {outcome.grown_bytes / (1 << 20):.0f} MiB", flush=True)
        for what, data in outcome.found.items():
            print(f"{name}: FOUND {what}: {save(name, data)}", flush=True)
        found += len(outcome.found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
