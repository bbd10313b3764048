"""Everything that runs inside the training process: `watch`, its levers, its probe and the socket that serves the run.

Imports torch, never the screen. Whatever goes wrong in here is told once and never reaches the training loop.
"""
