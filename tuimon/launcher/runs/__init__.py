"""Finds runs on disk, judges how they stand, and reads as much of their logs as a list needs."""
