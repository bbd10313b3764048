"""Nothing may go wrong behind a net unseen: what the screen's nets catch fails the test, unless the test is about that."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tuimon.viewer import net


@pytest.fixture(autouse=True)
def caught(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Exception]]:
    """What the nets have caught. A test that expects it names this fixture."""
    errors: list[Exception] = []
    say = net.caught

    def remember(error: Exception) -> str:
        errors.append(error)
        return say(error)

    monkeypatch.setattr(net, "caught", remember)
    yield errors
    if "caught" not in request.function.__code__.co_varnames and errors:
        raise errors[0]
