"""The trainer behind the presets: it trains what a spec describes, and is watched like any user's own script."""
