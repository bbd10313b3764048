"""Runs a user's training script as Python would, and watches it without a line in it."""
