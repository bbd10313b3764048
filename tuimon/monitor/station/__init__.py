"""Serves a run on its Unix socket: sends its log to viewers and receives commands."""
