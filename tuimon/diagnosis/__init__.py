"""What the log of a run says is wrong with it, and which lever may mend it."""

from tuimon.diagnosis.rules import RULES, diagnose

__all__ = ["RULES", "diagnose"]
