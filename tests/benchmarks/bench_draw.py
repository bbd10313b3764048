"""What a frame of 20 charts of 100 000 points each costs to draw, beside plotext doing the same.

    python tests/benchmarks/bench_draw.py [--plotext FOLDER]...

plotext is measured as installed, and as found in each FOLDER (`pip install --target FOLDER plotext==6.1.0`), each in its own
process; one that is not there is said so. It is given all points, and also, to be fair, no more than the two extremes of each
dot column. Every figure is the median of several frames in one run on one machine; ratios are to tuimon's frame.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from tuimon.viewer.draw.chart import draw_chart
from tuimon.viewer.draw.curve import Curve, Options
from tuimon.viewer.draw.pyramid import Pyramid

CHARTS, POINTS, WIDTH, HEIGHT = 20, 100_000, 48, 14
APPENDED = 500
TARGET_MS = 15.0


def values(chart: int, points: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """A noisy falling loss."""
    noise = np.random.default_rng(chart).standard_normal(points)
    return (2.2 * np.exp(-6 * np.arange(points) / points) + 0.1 + 0.05 * noise).astype(np.float32)


def median_ms(frame: Callable[[], object], times: int) -> float:
    """Milliseconds that a frame takes."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        frame()
        taken.append(1e3 * (time.perf_counter() - began))
    return statistics.median(taken)


WHOLE = Options("loss")
ZOOMED = Options("loss", x_range=(40_000, 45_000))


def measure_tuimon() -> dict[str, float]:
    """The first frame, one in which nothing is new, one with new points in every chart, one zoomed in."""
    steps = np.arange(POINTS + 40 * APPENDED)
    data = [values(chart, len(steps)) for chart in range(CHARTS)]
    pyramids = [Pyramid() for _ in data]
    known = POINTS

    def frame(options: Options = WHOLE) -> None:
        for pyramid, series in zip(pyramids, data, strict=True):
            pyramid.extend(steps[:known], series[:known])
            draw_chart([Curve("train", "train", pyramid)], options, WIDTH, HEIGHT)

    def growing_frame() -> None:
        nonlocal known
        known += APPENDED
        frame()

    return {
        "first frame": median_ms(frame, 1),
        "later frame": median_ms(frame, 40),
        f"with {APPENDED} new points a chart": median_ms(growing_frame, 40),
        "zoomed to 5 000 points": median_ms(lambda: frame(ZOOMED), 40),
    }


def measure_plotext() -> dict[str, Any]:
    """The plotext of this process on the same curves; both of its interfaces are known."""
    import plotext  # type: ignore[import-untyped, unused-ignore]

    draw = _draw_plotext_6 if hasattr(plotext, "figure") and hasattr(plotext.figure, "signal") else _draw_plotext_5
    version = plotext.__version__
    steps = list(range(POINTS))
    whole = [(steps, values(chart, POINTS).tolist()) for chart in range(CHARTS)]
    reduced = [_extremes(values(chart, POINTS)) for chart in range(CHARTS)]
    return {
        "version": version,
        "extremes only": median_ms(lambda: [draw(plotext, *curve) for curve in reduced], 9),
        "all points": median_ms(lambda: [draw(plotext, *curve) for curve in whole], 1),
    }


def _extremes(series: np.ndarray[Any, np.dtype[np.float32]]) -> tuple[list[float], list[float]]:
    columns = series[: POINTS // (2 * WIDTH) * 2 * WIDTH].reshape(2 * WIDTH, -1)
    pairs = np.stack([columns.min(axis=1), columns.max(axis=1)], axis=1).reshape(-1)
    return np.repeat(np.arange(2 * WIDTH) * columns.shape[1], 2).tolist(), pairs.tolist()


def _draw_plotext_5(plotext: Any, xs: list[float], ys: list[float]) -> str:
    plotext.clear_figure()
    plotext.plotsize(WIDTH, HEIGHT)
    plotext.plot(xs, ys, marker="braille")
    return str(plotext.build())


def _draw_plotext_6(plotext: Any, xs: list[float], ys: list[float]) -> str:
    figure = plotext.figure
    figure.clear.all()
    figure.plot_size(WIDTH, HEIGHT)
    figure.draw(figure.signal(xs, ys, marker="braille").lines(True))
    return str(figure.build().string())


def baseline(folder: str) -> dict[str, Any]:
    """A plotext in a process of its own; empty when it cannot be imported."""
    path = os.pathsep.join(part for part in (folder, os.getcwd(), os.environ.get("PYTHONPATH", "")) if part)
    command = [sys.executable, __file__, "--measure-plotext"]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"plotext in {folder or 'this environment'}: not measured ({done.stderr.strip().splitlines()[-1]})")
        return {}
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plotext", action="append", default=[], metavar="FOLDER")
    parser.add_argument("--measure-plotext", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure_plotext:
        print(json.dumps(measure_plotext()))
        return
    print(f"a frame of {CHARTS} charts of {POINTS:,} points, {WIDTH} x {HEIGHT} cells each, one process")
    own = measure_tuimon()
    later = own["later frame"]
    for name, taken in own.items():
        limit = "" if name == "first frame" else f"   target {TARGET_MS:.0f} ms"
        print(f"  {'tuimon, ' + name:<46}{taken:>10.1f} ms{limit}")
    for folder in ["", *options.plotext]:
        found = baseline(folder)
        for name in ("extremes only", "all points"):
            if found:
                label = f"plotext {found['version']}, {name}"
                print(f"  {label:<46}{found[name]:>10.1f} ms   {found[name] / later:.1f} x tuimon's later frame")


if __name__ == "__main__":
    main()
