"""Several runs as one: the mean of each curve, with a band."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tuimon.log.reader import RunReader
from tuimon.log.store import Store
from tuimon.log.writer import LogWriter
from tuimon.viewer.mean_store import MeanStore
from tuimon.viewer.widgets.curves import CurveBook


class Log:
    """A log that is written and read."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.writer, self.store = LogWriter(folder, "run"), Store()
        self._reader = RunReader(folder)

    def put(self, first: int, values: list[float], tag: str = "loss/train") -> Log:
        """Logs values at steps from `first` on, a second apart."""
        for step, value in enumerate(values, first):
            self.writer.scalars(step, {tag: value}, wall_time=1e9 + step)
        self.writer.flush()
        while batch := self._reader.read():
            self.store.apply(batch)
        return self


def test_a_mean_is_numpys_with_its_deviation(tmp_path: Path) -> None:
    """Within the lowest and the highest run, so that a band of positive values has a logarithm."""
    values = np.random.default_rng(0).random((3, 8)).astype(np.float32)
    logs = [Log(tmp_path / f"{i}").put(1, row.tolist()) for i, row in enumerate(values)]
    mean = MeanStore([log.store for log in logs]).mean("loss/train")
    wide, deviation = values.astype(np.float64), values.std(0, ddof=1)
    np.testing.assert_allclose(mean.series.values, wide.mean(0), rtol=1e-5)
    np.testing.assert_allclose(mean.low, np.maximum(wide.mean(0) - deviation, wide.min(0)), rtol=1e-5)
    np.testing.assert_allclose(mean.high, np.minimum(wide.mean(0) + deviation, wide.max(0)), rtol=1e-5)
    assert (mean.series.walls - logs[0].store.first_wall).tolist() == list(range(8)) and (mean.low > 0).all()


def test_what_is_not_finite_is_left_out_and_no_run_is_made_longer(tmp_path: Path) -> None:
    """Where none of them has a finite value there is none, and of a single one no band."""
    one = Log(tmp_path / "a").put(1, [1.0, np.nan, np.nan])
    other = Log(tmp_path / "b").put(1, [3.0, 2.0, np.inf, 5.0])
    mean = MeanStore([one.store, other.store]).mean("loss/train")
    np.testing.assert_array_equal(mean.series.values, [2.0, 2.0, np.nan, 5.0])
    assert (mean.low[3], mean.high[3]) == (5.0, 5.0)


def test_a_mean_follows_its_runs(tmp_path: Path) -> None:
    """Tags that come later, too; those that nothing happened to are not worked out again."""
    logs = [Log(tmp_path / name).put(1, [1.0, 2.0]) for name in "ab"]
    store = MeanStore([log.store for log in logs])
    assert list(store.series) == ["loss/train"] and store.step == 2 and store.series.get("other") is None
    known = store.series["loss/train"]
    logs[0].put(1, [0.5], "accuracy/val")
    store.refresh()
    assert store.series["loss/train"] is known and store.series["accuracy/val"].values.tolist() == [0.5]
    logs[1].put(3, [4.0])
    store.refresh()
    assert store.step == 3 and store.series["loss/train"].version != known.version
    assert store.series["loss/train"].values.tolist() == [1.0, 2.0, 4.0]


def test_a_mean_is_drawn_with_its_band_behind_it(tmp_path: Path) -> None:
    """On each axis, smoothed or not; of very many points, a part."""
    logs = [Log(tmp_path / f"{i}").put(1, [float(i)] * 5000) for i in (1, 3)]
    store = MeanStore([log.store for log in logs])
    for axis, end in (("step", 5000), ("time", 4999)):
        for smoothing in (0.0, 0.9):
            band, mean = CurveBook().curves({"a": store}, ("loss/train",), axis, smoothing)
            assert band.faint and not mean.faint and len(mean.data) == 2000 and mean.data.xs[-1] == end
            assert np.allclose(mean.data.values, 2.0) and set(np.unique(band.data.values.round(3))) == {1.0, 3.0}
