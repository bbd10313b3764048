"""Makes the pictures in this folder from real runs: `make screenshots`.

Starts short runs in a temporary folder, steers one from the screen as a user would, and saves each screen as PNG, using
rsvg-convert or cairosvg.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from textual.pilot import Pilot

from tuimon.base.errors import TuimonError
from tuimon.launcher.runs.glance import lifecycle
from tuimon.launcher.start.start import start
from tuimon.launcher.steering.stop import stop
from tuimon.spec.loading import load_spec
from tuimon.viewer.app import TuimonApp
from tuimon.viewer.screens.run import RunScreen

HERE = Path(__file__).parent
PNG_WIDTH = 1600
COLOURS = 256
CELL = 12.2  # width of a character in Textual's SVG
LONGEST = 8  # characters set together: fonts are not exactly as wide as the SVG assumes
BRAILLE = re.compile("[\u2800-\u28ff]")
FONT = ' style="font-family: DejaVu Sans"'
TEXT = re.compile(r'<text class="([^"]*)" x="([\d.]+)" y="([\d.]+)" textLength="[\d.]+" clip-path="([^"]*)">([^<]*)</text>')


async def until(pilot: Pilot[None], condition: Callable[[], object], timeout_s: float = 120.0) -> None:
    """Lets the app run until a condition is true."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the screen did not reach the state that the picture needs")
        await asyncio.sleep(0.1)


def placed(svg: str) -> str:
    """The SVG without runs of spaces, and with every braille character placed on its own.

    Renderers drop leading spaces and take braille from another font with wider characters; cairosvg needs that font's name.
    """

    def place(match: re.Match[str]) -> str:
        style, x, y, clip, text = match.groups()
        return "".join(
            f'<text class="{style}" x="{float(x) + CELL * at:.1f}" y="{y}" textLength="{CELL * length:.1f}" '
            f'lengthAdjust="spacingAndGlyphs" clip-path="{clip}"{FONT if BRAILLE.match(piece) else ""}>{piece}</text>'
            for at, length, piece in pieces(text)
        )

    return TEXT.sub(place, svg)


def pieces(text: str) -> list[tuple[int, int, str]]:
    """The words of an SVG text with their position and length in cells."""
    letters = re.findall(r"&#?\w+;|.", text)
    found: list[tuple[int, int, str]] = []
    for at, letter in enumerate(letters):
        if letter == "&#160;":
            continue
        if (
            found
            and found[-1][1] < LONGEST
            and sum(found[-1][:2]) == at
            and not BRAILLE.match(letter)
            and not BRAILLE.match(letters[at - 1])
        ):
            start, length, piece = found[-1]
            found[-1] = (start, length + 1, piece + letter)
        else:
            found.append((at, 1, letter))
    return found


def save(pilot: Pilot[None], name: str) -> None:
    """Saves the screen as PNG."""
    svg = Path(f"{name}.svg")
    picture = placed(pilot.app.export_screenshot(title=" "))
    svg.write_text(picture.replace("Fira Code, monospace", "monospace"))  # cairosvg uses only the first font
    png = HERE / f"{name}.png"
    if shutil.which("rsvg-convert"):
        subprocess.run(["rsvg-convert", "--width", str(PNG_WIDTH), "--output", str(png), str(svg)], check=True)
    else:
        import cairosvg

        cairosvg.svg2png(url=str(svg), write_to=str(png), output_width=PNG_WIDTH)
    smaller(png)
    print(f"{png.name}: {png.stat().st_size / 1e3:.0f} kB")


def smaller(png: Path) -> None:
    """Reduces the number of colours to a screen's."""
    with Image.open(png) as picture:
        picture.convert("RGB").quantize(COLOURS).save(png, optimize=True)


async def steered(runs: Path, run: Path) -> None:
    """A live run with some steering: learning rate halved, regularization off and on again."""
    async with shown(TuimonApp(runs, run), (160, 45)) as pilot:
        await until(pilot, lambda: isinstance(pilot.app.screen, RunScreen) and step_of(pilot) > 3_500)
        await pilot.press("h")
        await until(pilot, lambda: step_of(pilot) > 5_500)
        await pilot.press("r")
        await until(pilot, lambda: step_of(pilot) > 7_000)
        await pilot.press("r")
        await until(pilot, lambda: step_of(pilot) > 7_500)
        await asyncio.sleep(2)
        save(pilot, "run")
        await pilot.resize_terminal(80, 24)
        await pilot.press("1")
        await asyncio.sleep(2)
        save(pilot, "run-80x24")


def step_of(pilot: Pilot[None]) -> int:
    """The current step of the run on the screen."""
    screen = pilot.app.screen
    return screen.run.store.step if isinstance(screen, RunScreen) else 0


async def listed(runs: Path) -> None:
    """The list, two compared runs, and the Launch screen."""
    async with shown(TuimonApp(runs), (120, 34)) as pilot:
        await until(pilot, lambda: pilot.app.screen.query("#runs"))
        await asyncio.sleep(3)
        save(pilot, "home")
        await pilot.press("space", "space", "o")
        await asyncio.sleep(4)
        save(pilot, "compare")
        await pilot.press("escape", "l")
        await until(pilot, lambda: pilot.app.screen.query("#form"))
        await asyncio.sleep(1)
        save(pilot, "launch")


def shown(app: TuimonApp, size: tuple[int, int]):  # type: ignore[no-untyped-def]
    """The app, as in a truecolor terminal."""
    app.theme = "textual-dark"
    return app.run_test(size=size)


def main() -> None:
    """Makes all pictures, then ends the runs it started."""
    with tempfile.TemporaryDirectory(prefix="tuimon-pictures-") as folder:
        os.chdir(folder)
        runs = Path("runs").absolute()
        mlp = start(load_spec("digits-mlp"), runs_dir=runs)
        other = start(load_spec("digits-softmax", ["epochs=40"]), runs_dir=runs)
        try:
            asyncio.run(steered(runs, mlp))
            asyncio.run(listed(runs))
        finally:
            for run in (mlp, other):
                if lifecycle(run).status().live:
                    try:
                        stop(run, now=True)
                    except TuimonError as error:
                        print(error)


if __name__ == "__main__":
    main()
