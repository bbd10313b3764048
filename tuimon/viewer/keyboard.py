"""Reads the terminal's input so that no bytes can end the viewer.

Textual decodes input as strict UTF-8, and its parser fails on a few escape sequences; either ends its input thread, and the app
with it. Here bytes that are not UTF-8 (8-bit Alt, Latin-1) are skipped, and after any other error, reading continues with the
next bytes. The terminal's answer about its background colour (OSC 11) is taken out here: no parser would know it. Runs on
Textual's input thread.
"""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Callable
from functools import partial

from textual import events
from textual.drivers import linux_driver
from textual.message import Message

_REPORT = b"\x1b[M"  # an X10 mouse report: this, then three bytes of any value from 32
_REPORT_BYTES = 3
_LARGEST = 2_000  # columns or rows: larger sizes are ignored, since all cells would be drawn
_ASK_BACKGROUND = "\x1b]11;?\x1b\\"
_BACKGROUND = re.compile(rb"\x1b\]11;rgb:([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})(?:\x07|\x1b\\)")
_BEGUN = re.compile(rb"\x1b\]11;[^\x07]{0,32}\Z")  # the begin of an answer, the rest of which is still to come
_UNASKED = ("linux", "vt100", "vt220", "dumb", "")  # terminals that would print the question, or not answer it
_PAUSE_S = 0.05  # after an error, which may repeat at once; `terminal` notices if the terminal is gone


class InputDecoder:
    """Decodes input piece by piece, in place of the UTF-8 decoder that Textual asks `codecs` for.

    The coordinates of an X10 mouse report, which are bytes and not text, become spaces. Textual then ignores the whole report
    (it uses another mouse protocol); otherwise it would read parts of it as keys.

    Args:
        told: takes the background's lightness, in [0, 1], if the terminal tells it.
        errors: what `codecs` asks for; bytes that are not UTF-8 are skipped in any case.
    """

    def __init__(self, told: Callable[[float], None] | None = None, errors: str = "ignore") -> None:
        self._utf8 = codecs.getincrementaldecoder("utf-8")("ignore")
        self._told, self._held = told, b""
        self._seen = b""  # the last bytes, which may be the start of a report
        self._coordinates = 0  # bytes of the report not read yet

    def decode(self, data: bytes, final: bool = False) -> str:
        """The text of the next bytes; an incomplete character is returned with a later piece."""
        return self._utf8.decode(self._without_reports(self._without_answer(data)), final)

    def _without_answer(self, data: bytes) -> bytes:
        """The bytes without the first answer about the background; its beginning waits for the rest."""
        if self._told is None or not (self._held or b"\x1b]11;" in data):
            return data
        data, self._held = self._held + data, b""
        if answer := _BACKGROUND.search(data):
            told, self._told = self._told, None
            told(lightness(*answer.groups()))
            return data[: answer.start()] + data[answer.end() :]
        if begun := _BEGUN.search(data):
            self._held = begun.group()
            return data[: begun.start()]
        return data

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


def lightness(*channels: bytes) -> float:
    """How light a colour is, in [0, 1], from red, green and blue in hexadecimal of 1 to 4 digits (ITU-R BT.601)."""
    red, green, blue = (int(channel, 16) / float(16 ** len(channel) - 1) for channel in channels)
    return float(0.299 * red + 0.587 * green + 0.114 * blue)


class BackgroundSeen(Message):
    """The terminal has told how light its background is, in [0, 1]."""

    def __init__(self, lightness: float) -> None:
        self.lightness = lightness
        super().__init__()


class KeyboardDriver(linux_driver.LinuxDriver):
    """Textual's driver with an input thread that runs until the app ends. It asks the terminal for its background."""

    def start_application_mode(self) -> None:
        """Asks once everything is set up; the answer comes with the input, or never."""
        super().start_application_mode()  # type: ignore[no-untyped-call]
        if os.environ.get("TERM", "") not in _UNASKED:
            self.write(_ASK_BACKGROUND)
            self.flush()

    def run_input_thread(self) -> None:
        """Reads until the app ends. If Textual's parser fails, everything read in that piece is dropped."""
        decoder = partial(InputDecoder, self._tell_background)
        linux_driver.getincrementaldecoder = lambda _encoding: decoder  # type: ignore[attr-defined, assignment]
        while True:
            try:
                return super().run_input_thread()
            except Exception:  # continue with a new decoder and a new parser
                if self.exit_event.wait(_PAUSE_S):
                    return

    def _tell_background(self, found: float) -> None:
        self._app.post_message(BackgroundSeen(found))

    def process_message(self, message: Message) -> None:
        """Passes on messages, except sizes that no terminal has."""
        if isinstance(message, events.Resize) and not all(0 < side <= _LARGEST for side in message.size):
            return
        super().process_message(message)
