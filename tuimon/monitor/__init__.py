"""Everything that runs inside the training process: `watch`, its levers, its probe and the socket that serves the run.

Imports torch, never the screen. Errors in here are reported once and never reach the training loop.
"""
