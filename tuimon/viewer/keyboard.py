"""Reads the terminal's input so that no bytes can end the viewer.

Textual decodes input as strict UTF-8, and its parser fails on a few escape sequences; either ends its input thread, and the app
with it. Here bytes that are not UTF-8 (8-bit Alt, Latin-1) are skipped, and after any other error, reading continues with the
next bytes. Runs on Textual's input thread.
"""

from __future__ import annotations

import codecs

from textual import events
from textual.drivers import linux_driver
from textual.message import Message

_REPORT = b"\x1b[M"  # an X10 mouse report: this, then three bytes of any value from 32
_REPORT_BYTES = 3
_LARGEST = 2_000  # columns or rows: larger sizes are ignored, since all cells would be drawn
_PAUSE_S = 0.05  # after an error, which may repeat at once; `terminal` notices if the terminal is gone


class InputDecoder:
    """Decodes input piece by piece, in place of the UTF-8 decoder that Textual asks `codecs` for.

    The coordinates of an X10 mouse report, which are bytes and not text, become spaces. Textual then ignores the whole report
    (it uses another mouse protocol); otherwise it would read parts of it as keys.
    """

    def __init__(self, errors: str = "ignore") -> None:
        self._utf8 = codecs.getincrementaldecoder("utf-8")("ignore")
        self._seen = b""  # the last bytes, which may be the start of a report
        self._coordinates = 0  # bytes of the report not read yet

    def decode(self, data: bytes, final: bool = False) -> str:
        """The text of the next bytes; an incomplete character is returned with a later piece."""
        return self._utf8.decode(self._without_reports(data), final)

    def _without_reports(self, data: bytes) -> bytes:
        if not self._coordinates and b"M" not in data:
            self._seen = (self._seen + data)[-len(_REPORT) :]
            return data
        kept = bytearray()
        for byte in data:
            if self._coordinates and byte >= 0x20:
                self._coordinates -= 1
                byte = 0x20
            else:
                self._seen = (self._seen + bytes((byte,)))[-len(_REPORT) :]
                self._coordinates = _REPORT_BYTES if self._seen == _REPORT else 0
            kept.append(byte)
        return bytes(kept)


class KeyboardDriver(linux_driver.LinuxDriver):
    """Textual's driver with an input thread that runs until the app ends."""

    def run_input_thread(self) -> None:
        """Reads until the app ends. If Textual's parser fails, everything read in that piece is dropped."""
        linux_driver.getincrementaldecoder = lambda _encoding: InputDecoder  # type: ignore[attr-defined, assignment]
        while True:
            try:
                return super().run_input_thread()
            except Exception:  # continue with a new decoder and a new parser
                if self.exit_event.wait(_PAUSE_S):
                    return

    def process_message(self, message: Message) -> None:
        """Passes on messages, except sizes that no terminal has."""
        if isinstance(message, events.Resize) and not all(0 < side <= _LARGEST for side in message.size):
            return
        super().process_message(message)
