"""Searches hyperparameters: many runs of one spec or program, the next chosen by what the last were worth."""
