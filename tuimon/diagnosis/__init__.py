"""Finds problems in a run's log, says which causes which, and names levers that may help."""

from tuimon.diagnosis.diagnosis import VERSION, Diagnosis
from tuimon.diagnosis.history import Diagnosed, diagnose, examine
from tuimon.diagnosis.proof import Change, Proof, changes, proofs, prove
from tuimon.diagnosis.rules import RULES

__all__ = [
    "RULES",
    "VERSION",
    "Change",
    "Diagnosed",
    "Diagnosis",
    "Proof",
    "changes",
    "diagnose",
    "examine",
    "proofs",
    "prove",
]
