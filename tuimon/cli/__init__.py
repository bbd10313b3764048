"""The command line: one function for each verb, and headless printing of runs. Never imports torch."""
