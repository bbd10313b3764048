"""What a terminal may send: bytes that are no UTF-8, mouse reports in bytes, sequences that no parser knows."""

from __future__ import annotations

import os
import pty
import threading
import tty
from collections.abc import Iterator

import pytest
from textual import events
from textual.app import App
from textual.message import Message

from conftest import wait_until
from tuimon.viewer.app import TuimonApp
from tuimon.viewer.keyboard import InputDecoder, KeyboardDriver


class Driver(KeyboardDriver):
    """Reads a terminal without an app or an event loop."""

    def __init__(self, fd: int) -> None:
        self.fileno, self.exit_event, self._debug = fd, threading.Event(), False
        self.cursor_origin, self._down_buttons, self._last_move_event = None, [], None
        self._app, self._in_band_window_resize, self._mouse_pixels = App(), False, False
        self.messages: list[Message] = []

    def send_message(self, message: Message) -> None:
        self.messages.append(message)

    def write(self, data: str) -> None:
        """Discards output."""


class Typed:
    """A driver on a pseudo-terminal, with its input thread and the messages it passed on."""

    def __init__(self) -> None:
        self.master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        self._driver = Driver(self._slave)
        self._thread = threading.Thread(target=self._driver.run_input_thread)
        self._thread.start()

    @property
    def messages(self) -> list[Message]:
        return self._driver.messages

    @property
    def keys(self) -> list[str]:
        return [message.key for message in self.messages if isinstance(message, events.Key)]

    def type(self, data: bytes) -> None:
        os.write(self.master, data)

    def close(self) -> None:
        self._driver.exit_event.set()
        self._thread.join()
        os.close(self.master)
        os.close(self._slave)


@pytest.fixture
def typed() -> Iterator[Typed]:
    found = Typed()
    yield found
    found.close()


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\xe1a", "a"),  # Alt+a of a terminal that sets the eighth bit
        (b"\xff", ""),
        ("né".encode("latin-1") + b"x", "nx"),
        ("né→".encode(), "né→"),
        (b"\x1b[M \xc00s", "\x1b[M   s"),  # a mouse report past column 95: three bytes, none of them a key
        (b"\x1b[MC\xc3\xa9s", "\x1b[M   s"),  # coordinates that look like a character
        (b"\x1b[M !\x1b[A", "\x1b[M  \x1b[A"),  # one that breaks off before a key
    ],
)
def test_what_is_no_text_is_left_out_however_it_is_cut(data: bytes, text: str) -> None:
    """The text is the same whether the bytes come at once, in two pieces, or one by one."""
    for cut in range(len(data) + 1):
        decoder = InputDecoder()
        assert decoder.decode(data[:cut]) + decoder.decode(data[cut:]) + decoder.decode(b"", final=True) == text
    single = InputDecoder()
    assert "".join(single.decode(bytes((byte,))) for byte in data) + single.decode(b"", final=True) == text


def test_the_app_reads_its_terminal_by_this_driver() -> None:
    """It replaces Textual's driver in each version of Textual that we allow."""
    assert TuimonApp.get_driver_class(App.__new__(TuimonApp)) is KeyboardDriver


def test_keys_count_after_any_bytes(typed: Typed) -> None:
    """A key right behind each piece, in one read, is the only key reported."""
    pieces = (b"\xff", b"\xe1", b"\x1b[M \xc00", b"\xc3")
    for data in pieces:
        typed.type(data + b"s")
    wait_until(lambda: len(typed.keys) >= len(pieces))
    assert typed.keys == ["s"] * len(pieces)


@pytest.mark.parametrize("data", [b"\x1b[9999999;1u", b"\x1b[97:65;1u", b"\x1b[1;1;99999999u"])
def test_a_sequence_that_the_parser_fails_on_costs_no_more_than_itself(typed: Typed, data: bytes) -> None:
    """Textual's parser raises on each of these: invalid code points, numbers with colons."""
    typed.type(data)
    wait_until(lambda: _answers(typed))


def _answers(typed: Typed) -> bool:
    typed.type(b"s")  # perhaps in one read with the sequence, and gone with it
    return "s" in typed.keys


def test_a_size_that_no_terminal_has_is_not_believed(typed: Typed) -> None:
    """Nor one without cells; a plausible size is."""
    for height, width in ((99999, 99999), (0, 80), (24, 80)):
        typed.type(f"\x1b[48;{height};{width};{height * 10};{width * 10}t".encode())
    wait_until(lambda: any(isinstance(message, events.Resize) for message in typed.messages))
    assert [tuple(message.size) for message in typed.messages if isinstance(message, events.Resize)] == [(80, 24)]
