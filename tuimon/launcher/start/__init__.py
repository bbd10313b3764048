"""Starts runs: new, resumed or replayed, each handed to a supervisor."""
