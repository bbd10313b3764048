"""Finds runs on disk, judges their state, and reads as much of their logs as a list needs."""
