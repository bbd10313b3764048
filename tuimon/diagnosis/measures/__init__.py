"""Measures: what a log says, in numbers that rules compare. One file each; pure functions of the bounded memory of a run."""
