"""Looking at validation samples over a run's screen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from driving import seen, text_of, until
from tuimon.log import pictures, samples, wire
from tuimon.log.samples import Sample, Samples
from tuimon.log.writer import LogWriter
from tuimon.viewer.app import TuimonApp
from tuimon.viewer.screens.run import RunScreen


def validate(run: Path, step: int, truth: str, grey: int = 255) -> None:
    """Logs one sample of a validation, by another writer of the same run."""
    writer = LogWriter(run, "run")
    pixels, sheet = pictures.lay_out(np.full((1, 8, 8, 1), grey, np.uint8), "pictures/samples/val")
    found = Samples(of=5, samples=(Sample(index=0, why=("worst",), truth=truth, predicted="owl", loss=2.0),), sheet=sheet)
    image = wire.image_value(sheet.tag, 8, 8, 1, pictures.encode(pixels))
    writer.text_and_pictures(step, "samples/val", samples.encode(found), image)
    writer.close()


async def test_a_key_shows_samples_of_the_validations(runs_dir: Path, make_run: Any) -> None:
    """The latest, and by arrows the earlier ones; new ones of a live run come by themselves."""
    run = make_run("one", how="")
    for step, truth in ((10, "cat"), (20, "dog")):
        validate(run, step, truth)
    async with TuimonApp(runs_dir, run).run_test(size=(80, 24), notifications=True) as pilot:
        await seen(pilot, "● running")
        await pilot.press("v")
        await seen(pilot, "dog, said owl")
        assert "samples at step 20" in text_of(pilot) and "▀" * 16 in text_of(pilot)
        await pilot.press("left")
        await seen(pilot, "cat, said owl")
        validate(run, 30, "hen")
        await pilot.press("right", "right")
        await seen(pilot, "hen, said owl")
        validate(run, 40, "pig")
        await seen(pilot, "pig, said owl")
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, RunScreen))


async def test_the_pixels_have_their_own_colours(runs_dir: Path, make_run: Any) -> None:
    """Whatever the theme's are."""
    run = make_run("one")
    validate(run, 10, "cat", grey=0x80)
    async with TuimonApp(runs_dir, run).run_test(size=(120, 36), notifications=True) as pilot:
        await seen(pilot, "finished")
        await pilot.press("v")
        await seen(pilot, "cat, said owl")
        strips = pilot.app.screen._compositor.render_strips()
        colours = {segment.style.bgcolor.name for strip in strips for segment in strip if segment.text.startswith("▀")}  # type: ignore[union-attr]
        assert colours == {"#808080"}


async def test_a_run_without_samples_says_what_would_appear(runs_dir: Path, make_run: Any) -> None:
    """And a terminal without more than ASCII gets no half-blocks."""
    run = make_run("one")
    async with TuimonApp(runs_dir, run, ascii=True).run_test(size=(80, 24), notifications=True) as pilot:
        await seen(pilot, "finished")
        await pilot.press("v")
        await seen(pilot, "No samples.")
        validate(run, 50, "cat")
        await pilot.press("escape")
    async with TuimonApp(runs_dir, run, ascii=True).run_test(size=(80, 24), notifications=True) as pilot:
        await seen(pilot, "finished")
        await pilot.press("v")
        await seen(pilot, "cat, said owl")
        assert "@" * 16 in text_of(pilot) and "▀" not in text_of(pilot)
