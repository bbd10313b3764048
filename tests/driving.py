"""Helpers that wait inside a pilot's event loop and read the screen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from textual.pilot import Pilot


async def until(pilot: Pilot[None], condition: Callable[[], object], timeout: float = 60.0) -> None:
    """Lets the app run until `condition()` is true; fails after `timeout` seconds with the screen's text."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not so after {timeout} s; the screen shows:\n{text_of(pilot)}")
        await asyncio.sleep(0.02)
        await pilot.pause()


def text_of(pilot: Pilot[None]) -> str:
    """The text on the screen."""
    strips = pilot.app.screen._compositor.render_strips()
    return "\n".join(strip.text for strip in strips)


async def seen(pilot: Pilot[None], text: str, timeout: float = 60.0) -> None:
    """Waits until the text is on the screen."""
    await until(pilot, lambda: text in text_of(pilot), timeout)
