"""Reads the machine's meters: GPUs, host, and the training process itself."""
