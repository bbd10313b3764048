"""A training script that knows nothing of tuimon; `tuimon run` is to watch it.

Its arguments are a recipe as JSON and the file that takes what the judge measured.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from benchmarks.diagnosis.loop import train
from benchmarks.diagnosis.outcome import save
from benchmarks.diagnosis.recipe import Recipe

if __name__ == "__main__":
    save(train(msgspec.json.decode(sys.argv[1], type=Recipe), None), Path(sys.argv[2]))
