"""Confines an error to one panel, run or command: it is shown there once, and the rest of the screen keeps working.

Each kind of work has one net: a panel's update and drawing (`update`, `Drawn`), a row of a list (`RowList`), a handler of a
message (`Netted`) and a key's action (`NettedApp.run_action`). All of them pass what they catch through `caught`. Main thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from textual.message import Message
from textual.message_pump import MessagePump

from tuimon.base.errors import in_one_line

if TYPE_CHECKING:
    from tuimon.log.store import Store  # it imports numpy, which the first frame does not need


def caught(error: Exception) -> str:
    """The text shown for a caught error."""
    return in_one_line(error)


class Panel(Protocol):
    """Something that shows a store."""

    def update_from(self, store: Store) -> None:
        """Shows the store's current state."""
        ...

    def show_failure(self, text: str) -> None:
        """Shows this error instead of the content; an empty text restores the content."""
        ...


def update(panel: Panel, store: Store) -> None:
    """Updates one panel; an error is shown in place of its content."""
    try:
        panel.update_from(store)
    except Exception as error:
        panel.show_failure(f"Could not show this: {caught(error)}")
    else:
        panel.show_failure("")


class Netted(MessagePump):
    """Mixin placed before a Textual class: an error in a message handler ends neither the widget nor the app."""

    async def _dispatch_message(self, message: Message) -> None:
        try:
            await super()._dispatch_message(message)
        except Exception as error:
            tell = getattr(self.app, "tell_failure", None)
            if tell is None:
                raise
            tell(error)
