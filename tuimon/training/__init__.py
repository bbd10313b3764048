"""The trainer behind the presets: trains a spec, and uses `tuimon.watch` like any user's script."""
