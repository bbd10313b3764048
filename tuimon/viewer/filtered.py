"""What all filtered lists share: the filter itself, its text, and the words for what it found. Main thread."""

from __future__ import annotations

from tuimon.base.filter import Filter


class Filtered:
    """Mixin placed before a Textual class: a list with a filter, which matches all at first."""

    _filter = Filter("")

    @property
    def filter_text(self) -> str:
        """The filter as it was typed."""
        return self._filter.text


def told(found: int, of: int, thing: str) -> str:
    """How many of a list a filter found; where it found none, everything is shown."""
    return f"{found} of {of} {thing}s" if found or not of else f"no {thing} matches: all are shown"
