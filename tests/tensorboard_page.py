"""What TensorBoard's own page shows of a folder: asked from a TensorBoard that runs beside the test, over HTTP."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from conftest import wait_until

Curve = list[tuple[int, float]]  # steps and values


class Page:
    """A TensorBoard on this machine that shows every point, and looks for new ones each second.

    Args:
        folder: its logdir.
        work: where its own output goes.
        fast: whether it reads logs as it does by default, with its data server; else with its Python reader.
    """

    def __init__(self, folder: Path, work: Path, fast: bool = True) -> None:
        output = work / f"tensorboard-{fast}.log"
        options = ["--port", "0", "--reload_interval", "1", "--samples_per_plugin", "scalars=10000000"]
        options += ["--load_fast", str(fast).lower()]
        with open(output, "w") as out:
            command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder), *options]
            self._process = subprocess.Popen(command, stdout=out, stderr=out)
        told = re.compile(r"TensorBoard \S+ at (http://\S+)")
        try:
            wait_until(lambda: told.search(output.read_text()) or self._process.poll() is not None, what="TensorBoard serves")
            found = told.search(output.read_text())
            assert found, output.read_text()
        except BaseException:
            self.close()
            raise
        self._url = found[1] + "data/"

    def close(self) -> None:
        """Ends it."""
        self._process.terminate()
        self._process.wait()

    def runs(self) -> list[str]:
        """The names of the runs it lists so far."""
        return sorted(self._get("runs"))

    def scalars(self, run: str) -> dict[str, Curve]:
        """The points it has read so far of each curve of a run; a curve that it cannot show is left out."""
        tags = self._get("plugin/scalars/tags").get(run, {})
        curves = {tag: self._curve(run, tag) for tag in tags}
        return {tag: curve for tag, curve in curves.items() if curve is not None}

    def _curve(self, run: str, tag: str) -> Curve | None:
        try:
            points = self._get("plugin/scalars/scalars", run=run, tag=tag)
        except urllib.error.HTTPError:
            return None
        return [(step, float(value)) for _, step, value in points]

    def _get(self, path: str, **arguments: str) -> Any:
        with urllib.request.urlopen(f"{self._url}{path}?{urllib.parse.urlencode(arguments)}", timeout=60) as answer:
            return json.load(answer)
