"""What is fuzzed: for each edge a generator of inputs, and a check that reads one input and may not fail.

The checks go beneath the nets where they can: an error that a net would catch is a find here.
"""

from __future__ import annotations

import json
import random
import re
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import strategies as st
from textual._xterm_parser import XTermParser
from textual.app import App

from fuzz import generators
from tuimon.base.errors import TuimonError
from tuimon.base.outside import json_decoder
from tuimon.cli.dump import text_line
from tuimon.cli.printing import event_text, outcome, progress_text
from tuimon.diagnosis import diagnose
from tuimon.launcher.runs import jsonl
from tuimon.launcher.runs.status import Lifecycle
from tuimon.launcher.runs.summary import loss_tag, pace, seconds_trained
from tuimon.launcher.steering.client import Client
from tuimon.log import batch, frames, wire
from tuimon.log.reader import _EventFile
from tuimon.log.records import EVENT_TAG, Applied, Command
from tuimon.log.store import Store
from tuimon.monitor.station.connection import Connection
from tuimon.viewer.keyboard import InputDecoder, KeyboardDriver
from tuimon.viewer.widgets import facts


class Target(NamedTuple):
    """One edge. `variants` makes the inputs out of what hypothesis drew, by a generator of random numbers of its seed."""

    drawn: st.SearchStrategy[Any]
    variants: Callable[[Any, random.Random], Iterator[bytes]]
    check: Callable[[bytes], None]


_CAUGHT = re.compile(r"\(\w+\.py:\d+\)")  # an error that nothing but the net caught


class _Bytes:
    """A tail that gives out its bytes in pieces."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self, offset: int, max_bytes: int) -> bytes:
        return self._data[offset : offset + max_bytes]

    def close(self) -> None:
        """Nothing to close."""


def check_file(data: bytes) -> None:
    """Reads an event file whole or, by chance, in pieces, which must say the same; looks for a record within it."""
    store = _read(data, len(data) + 1)
    match len(data) % 4:
        case 0:
            pieces = _read(data, len(data) // 3 + 1)
            assert store.series.keys() == pieces.series.keys() and len(store.events) == len(pieces.events)
        case 1:
            start = frames.resync(data[1:])
            assert start is None or 0 <= start < len(data)
    _look_at(store)


def _read(data: bytes, piece: int) -> Store:
    store, file = Store(), _EventFile(Path("events.out.tfevents.0"), _Bytes(data), batch.Known())
    while found := file.read(piece):
        assert found.left_out is None or not _CAUGHT.search(found.left_out.reason), found.left_out
        store.apply(found)
    return store


def _look_at(store: Store) -> None:
    """What lists and lines say of a store."""
    life = Lifecycle()
    for record in store.events:
        life.see(record)
        assert isinstance(event_text(record), str)
        _in_lines(record)
    status = life.status()
    progress_text(store, status, 40)
    outcome(store, status)
    for tag in (loss_tag(store),):
        store.last(tag)
    pace(store)
    seconds_trained(store)
    failed = [finding.text for finding in diagnose(store, again=True) if "cannot be applied" in finding.text]
    assert not failed, failed
    facts.gpus(store)
    facts.no_gpu_reason(store)
    facts.layers(store)


def _in_lines(record: jsonl.Record) -> None:
    assert text_line(record).count(b"\n") == 1
    json.loads(jsonl.line(record))


def check_texts(data: bytes) -> None:
    """Takes in lines of JSON as a run's events."""
    messages = []
    for step, line in enumerate(data.split(b"\n")):
        text = line.decode(errors="replace")
        tag = facts.GPU_TAG if '"gpus"' in text else EVENT_TAG
        messages.append(wire.frame(wire.event(float(step), step, wire.text_value(tag, text))))
    whole = b"".join(messages)
    found = frames.split(whole)
    decoded = batch.decode(whole, found.starts, found.lengths, len(whole))
    assert decoded.records == len(messages)
    left_out = decoded.left_out.number if decoded.left_out else 0
    assert len(decoded.events) + len(decoded.texts) + left_out == sum(1 for message in messages if message)
    store = Store()
    store.apply(decoded)
    for record in jsonl.records(decoded):
        _in_lines(record)
    _look_at(store)


_decode_any = json_decoder(Any)


def check_control(data: bytes) -> None:
    """Lets a peer say this to a run, and a run answer it to a client."""
    _serve(data)
    _answer(data)


def _serve(data: bytes) -> None:
    peer, ours = socket.socketpair()
    with peer, ours:
        ours.setblocking(False)
        peer.setblocking(False)
        asked: list[Command] = []
        connection: Connection

        def submit(command: Command, reply: Callable[[Applied], None]) -> None:
            asked.append(command)
            reply(Applied(step=1, lever=command.lever, id=command.id))

        connection = Connection(ours, Path("/nonexistent"), submit, lambda one, answer: one.answer(answer), lambda command: "")
        peer.send(data[:_SENT])
        peer.shutdown(socket.SHUT_WR)
        for _ in range(4):
            if not connection.closed and connection.wants_to_read:
                connection.read()
            if not connection.closed and connection.wants_to_write:
                connection.write()
        told = peer.recv(1 << 20) if not connection.closed or asked else b""
        for line in told.splitlines():
            json.loads(line)
        connection.close()
    assert told.count(b'"kind"') <= len(asked) + 1


_SENT = 1 << 15  # what a socket's buffer takes at once


def _answer(data: bytes) -> None:
    client = Client.__new__(Client)
    client._writing, client._waiting, client._closed = threading.Lock(), {}, False
    answers: list[Any] = []
    client._waiting["1"] = answers.append
    for line in data.split(b"\n"):
        client._dispatch(line)
    assert len(answers) <= 1 and all(isinstance(answer, TuimonError) or answer.id == "1" for answer in answers)


class _Driver(KeyboardDriver):
    """Reads no terminal, and passes on to nobody."""

    def __init__(self) -> None:
        self.cursor_origin, self._down_buttons, self._last_move_event = None, [], None
        self._app, self._in_band_window_resize, self._mouse_pixels = _APP, False, False
        self.passed_on = 0

    def send_message(self, message: Any) -> None:
        self.passed_on += 1

    def write(self, data: str) -> None:
        """Nobody shows it."""


_APP: App[None] = App()


def check_keys(data: bytes) -> None:
    """Decodes and parses what a terminal sends as the input thread does, in one piece and in two, which must say the same."""
    decoders = InputDecoder(), InputDecoder()
    half = len(data) // 2
    text = decoders[0].decode(data) + decoders[0].decode(b"", final=True)
    assert text == decoders[1].decode(data[:half]) + decoders[1].decode(data[half:]) + decoders[1].decode(b"", final=True)
    driver, parser = _Driver(), XTermParser()
    try:
        for message in parser.feed(text) if text else ():
            driver.process_message(message)
    except (
        ArithmeticError,
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
    ):  # Textual's: the thread goes on with a new one
        return
    assert driver.passed_on <= 2 * len(text) + 2


TARGETS = {
    "records": Target(generators.records, generators.files, check_file),
    "events": Target(generators.records, generators.wrong_files, check_file),
    "texts": Target(generators.texts, generators.copies, check_texts),
    "control": Target(generators.control, generators.copies, check_control),
    "keys": Target(generators.keys, generators.typed, check_keys),
}
