"""Sends commands to runs, and stops them."""
