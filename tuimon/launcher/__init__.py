"""Starts, supervises, finds, judges and steers runs.

Knows nothing of torch, of the screen, or of how a training loop works: a run is a folder with a log, and a process.
"""
