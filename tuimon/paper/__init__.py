"""Charts on paper: what is printed once and stays, to a terminal, a pipe or a file. Imports neither torch nor Textual.

`figure` is the only module that knows plotext; the others turn stores into what it draws.
"""
