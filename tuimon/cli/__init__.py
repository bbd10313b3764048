"""The command line: one verb, one function; runs printed without a screen. Never imports torch."""
