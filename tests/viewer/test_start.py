"""The start of the viewer: what stands on the way to the first frame."""

from __future__ import annotations

import subprocess
import sys


def test_the_first_frame_waits_for_no_library_that_it_does_not_need() -> None:
    """Home's first frame is empty: numpy alone would take half as long again."""
    code = (
        "import sys, tuimon.viewer.app, tuimon.viewer.screens.home; "
        "print(*{'numpy', 'torch', 'psutil', 'tomllib', 'google.protobuf', 'pynvml'} & set(sys.modules))"
    )
    heavy = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True).stdout
    assert heavy.split() == []
