"""Serves a run on its Unix socket: the log to viewers, commands to the run."""
