"""The verb `config`: shows and changes the settings of the screen."""

from __future__ import annotations

import argparse

from tuimon.viewer.settings import NAMES, change, config_file, load


def config(options: argparse.Namespace) -> int:
    """Prints where the settings are, and each of them; changes some first, if asked to."""
    settings = change(options.settings) if options.settings else load()
    print(f"# {config_file()}")
    for name in NAMES:
        value = getattr(settings, name)
        print(f"{name}={('on' if value else 'off') if isinstance(value, bool) else value}")
    return 0
