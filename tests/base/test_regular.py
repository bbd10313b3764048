"""Files of a folder that others may have filled: only regular ones are opened, and nothing is waited for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tuimon.base.regular import open_regular


def test_a_regular_file_is_opened(tmp_path: Path) -> None:
    """To be read."""
    (tmp_path / "a").write_bytes(b"abc")
    with open_regular(tmp_path / "a") as file:
        assert file.read() == b"abc"


@pytest.mark.parametrize("make", ["link", "link to a device", "pipe", "folder", "nothing"])
def test_anything_else_is_an_error(tmp_path: Path, make: str) -> None:
    """At once: a named pipe without a writer would be waited for."""
    path = tmp_path / "a"
    if make.startswith("link"):
        path.symlink_to("/dev/zero" if "device" in make else __file__)
    elif make == "pipe":
        os.mkfifo(path)
    elif make == "folder":
        path.mkdir()
    with pytest.raises(OSError):
        open_regular(path)
