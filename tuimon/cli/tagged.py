"""Tags that fit a regular expression, for verbs that print parts of a log."""

from __future__ import annotations

import re
from collections.abc import Collection

from tuimon.base.errors import TuimonError
from tuimon.base.nearest import did_you_mean


def pattern(text: str | None) -> re.Pattern[str] | None:
    """The regular expression of `--tag`; None if none was given.

    Raises:
        TuimonError: it is none.
    """
    if text is None:
        return None
    try:
        return re.compile(text)
    except re.error as error:
        raise TuimonError(f"--tag {text!r} is not a regular expression: {error}.", "Such as '^loss/' or 'val$'.") from None


def fitting(wanted: re.Pattern[str] | None, tags: Collection[str]) -> list[str]:
    """The tags in which the expression is found, in their order.

    Raises:
        TuimonError: it is in none of them.
    """
    found = [tag for tag in tags if wanted is None or wanted.search(tag)]
    if wanted is not None and not found:
        raise none_fits(wanted, tags)
    return found


def none_fits(wanted: re.Pattern[str], tags: Collection[str]) -> TuimonError:
    """The error for an expression that fits no tag, with the nearest one."""
    hint = f"Tags: {', '.join(sorted(tags)[:12])}{', …' if len(tags) > 12 else ''}." if tags else "The log has no tags."
    return TuimonError(f"No tag fits {wanted.pattern!r}{did_you_mean(wanted.pattern, tags)}.", hint)
