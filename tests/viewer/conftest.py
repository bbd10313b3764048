"""No error may hide behind a net: what the screen's nets catch fails the test, unless the test expects it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tuimon.viewer import net


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
