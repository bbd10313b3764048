"""Finds problems in a run's log, and levers that may fix them."""

from tuimon.diagnosis.rules import RULES, diagnose

__all__ = ["RULES", "diagnose"]
