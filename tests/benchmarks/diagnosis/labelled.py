"""The labelled set: all cases."""

from __future__ import annotations

from benchmarks.diagnosis import faults_code, faults_data, faults_numbers, faults_rates, faults_unasked, healthy
from benchmarks.diagnosis.case import Case

FAULTS: list[Case] = [
    *faults_numbers.CASES,
    *faults_rates.CASES,
    *faults_data.CASES,
    *faults_code.CASES,
    *faults_unasked.CASES,
]
CASES: list[Case] = [*FAULTS, *healthy.CASES]
