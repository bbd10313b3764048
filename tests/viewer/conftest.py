"""No error may hide behind a net: what the screen's nets catch fails the test, unless the test expects it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tuimon.viewer import net
from tuimon.viewer.app import TuimonApp

_LONGER = 60  # times as long as for users


@pytest.fixture(autouse=True)
def notices_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a notice could fade before a test looks for it, and the same one be shown anew."""
    notify = TuimonApp.notify

    def lasting(app: TuimonApp, message: str, *, timeout: float | None = None, **more: Any) -> None:
        notify(app, message, timeout=_LONGER * (app.NOTIFICATION_TIMEOUT if timeout is None else timeout), **more)

    monkeypatch.setattr(TuimonApp, "notify", lasting)


@pytest.fixture(autouse=True)
def caught(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Exception]]:
    """The errors that the nets caught. A test that expects some requests this fixture."""
    errors: list[Exception] = []
    say = net.caught

    def remember(error: Exception) -> str:
        errors.append(error)
        return say(error)

    monkeypatch.setattr(net, "caught", remember)
    yield errors
    if "caught" not in request.function.__code__.co_varnames and errors:
        raise errors[0]
