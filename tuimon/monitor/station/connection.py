"""One viewer's connection to a run: what it asked for, and what is still to be sent.

Never blocks; the station's thread calls it when the socket is ready. A peer that never reads costs only the memory of its
unsent answers, which is limited: while answers wait, nothing more is read from it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from tuimon.base.outside import json_decoder
from tuimon.log.records import Applied, Command, Count, Refused

LONGEST_LINE = 64 * 1024
_READ_BYTES = 64 * 1024
_SEND_BYTES = 1 << 20  # of the log per turn, so that no follower delays the others
_UNANSWERED = 64  # commands of one connection without an answer yet
_UNSENT_BYTES = 256 * 1024
_REFUSED_AT_ONCE, _REST_S = 64, 0.05  # after this many refusals, which cost time too, pause reading from the peer
_LEFT_READS = 16  # of input that is dropped before closing
_SERVED = ("events.out.tfevents.", "output.log")

Answer = Applied | Refused
Submit = Callable[[Command, Callable[[Answer], None]], None]


class Wish(msgspec.Struct, frozen=True):
    """The first line of a connection."""

    want: str
    file: str = ""
    start: Count = msgspec.field(default=0, name="from")


class WishError(Exception):
    """An invalid or refused line. The text is sent to the peer, and the connection is closed."""


_decode_wish: Callable[[str | bytes], Wish] = json_decoder(Wish)
_decode_command: Callable[[str | bytes], Command] = json_decoder(Command)
_encode = msgspec.json.Encoder().encode


class Connection:
    """One accepted socket.

    Args:
        sock: the socket, non-blocking.
        folder: the run's folder.
        submit: passes a command to the training thread.
        post: passes an answer to the station's thread; callable from any thread.
        refusal: returns why a command is not passed on; empty if it is.
    """

    def __init__(
        self,
        sock: socket.socket,
        folder: Path,
        submit: Submit,
        post: Callable[[Connection, Answer], None],
        refusal: Callable[[Command], str],
    ) -> None:
        self.sock = sock
        self.closed = False
        self.following = False
        self.blocked = False  # the last send would have blocked
        self.resting = 0.0  # do not read from a peer that was refused often until this time (`time.monotonic`); 0: read
        self._folder, self._submit, self._post, self._refusal = folder, submit, post, refusal
        self._steering = False
        self._buffer = bytearray()
        self._unsent = bytearray()
        self._unanswered = self._refused = 0
        self._log_fd, self._offset = -1, 0
        self._closing = self._taking = False

    @property
    def wants_to_read(self) -> bool:
        """Whether to read more from the peer now."""
        busy = self._unanswered >= _UNANSWERED or len(self._unsent) > _UNSENT_BYTES
        return not (self._closing or busy or self.resting)

    @property
    def wants_to_write(self) -> bool:
        """Whether something waits to be sent."""
        return bool(self._unsent) or self.blocked

    def read(self) -> None:
        """Reads what the peer sent."""
        try:
            data = self.sock.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        if not data:
            self._end_of_input()
        elif not self.following:  # followers of the log send nothing more
            self._buffer += data
            self.take_lines()

    def take_lines(self) -> None:
        """Handles the complete lines that have arrived, up to the limit of unanswered commands.

        A command that is answered while it is handled does not handle the next one inside of it: many would go too deep.
        """
        if self._taking:
            return
        self._taking = True
        try:
            while self.wants_to_read and (end := self._buffer.find(b"\n")) >= 0:
                if end > LONGEST_LINE:
                    raise WishError(f"a line of more than {LONGEST_LINE} bytes")
                line = bytes(self._buffer[:end])
                del self._buffer[: end + 1]
                self._line(line)
            if len(self._buffer) > LONGEST_LINE and self._buffer.find(b"\n", 0, LONGEST_LINE + 1) < 0:
                raise WishError(f"a line of more than {LONGEST_LINE} bytes")
        except WishError as error:
            self.fail(str(error))
        finally:
            self._taking = False

    def answer(self, answer: Answer) -> None:
        """Sends an answer to a command of this connection."""
        if not self.closed:
            self._unanswered -= 1
            self._unsent += _encode(answer) + b"\n"
            self.write()
            self.take_lines()

    def go_on(self) -> None:
        """Handles lines that arrived while the peer was not read from."""
        self.resting, self._refused = 0.0, 0
        self.take_lines()

    def write(self) -> None:
        """Sends as much as the socket accepts."""
        self.blocked = False
        try:
            if self._unsent:
                del self._unsent[: self.sock.send(self._unsent)]
            elif self.following:
                self._offset += os.sendfile(self.sock.fileno(), self._log_fd, self._offset, _SEND_BYTES)
                self.blocked = self._offset < os.fstat(self._log_fd).st_size
        except BlockingIOError:
            self.blocked = True
        except OSError:
            self.close()
            return
        if self._closing and not self._unsent and not self._unanswered:
            self._throw_away_input()
            self.close()

    def fail(self, reason: str) -> None:
        """Sends one line that says what is wrong, and closes."""
        self._buffer.clear()
        self._unsent += _encode({"error": reason}) + b"\n"
        self._closing = True
        self._unanswered = 0
        self.write()

    def close(self) -> None:
        """Closes this process's copies of the descriptors. May be called again."""
        self.closed = True
        self.following = False
        self.sock.close()
        fd, self._log_fd = self._log_fd, -1
        if fd >= 0:
            os.close(fd)

    def _throw_away_input(self) -> None:
        """Reads and drops input: closing with unread input resets the connection, and the peer could lose the last line."""
        with contextlib.suppress(OSError):
            for _ in range(_LEFT_READS):
                if not self.sock.recv(_READ_BYTES):
                    return

    def _end_of_input(self) -> None:
        """Handles the end of the peer's input. The peer still gets its answers."""
        self._closing = True
        if not (self._unanswered or self._unsent):
            self.close()

    def _line(self, line: bytes) -> None:
        if self._steering:
            self._steer(line)
            return
        try:
            wish = _decode_wish(line)
        except ValueError as error:
            raise WishError(f"cannot understand the first line: {error}") from None
        if wish.want == "control":
            self._steering = True
        elif wish.want == "log":
            self._follow(wish)
        else:
            raise WishError(f"want is {wish.want[:40]!r}; it must be log or control")

    def _steer(self, line: bytes) -> None:
        try:
            command = _decode_command(line)
        except ValueError as error:
            raise WishError(f"not a command: {error}") from None
        if reason := self._refusal(command):
            self._refuse(command, reason)
            return
        self._unanswered += 1
        self._submit(command, lambda answer: self._post(self, answer))

    def _refuse(self, command: Command, reason: str) -> None:
        refused = Refused(step=0, lever=command.lever, value=command.value, reason=reason, by=command.by, id=command.id)
        self._unsent += _encode(refused) + b"\n"
        self.write()
        self._refused += 1
        if self._refused >= _REFUSED_AT_ONCE:
            self.resting = time.monotonic() + _REST_S

    def _follow(self, wish: Wish) -> None:
        if "/" in wish.file or not wish.file.startswith(_SERVED) or wish.start < 0:
            raise WishError(f"no log called {wish.file[:200]!r} from byte {wish.start} on")
        try:
            fd = os.open(self._folder / wish.file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except (OSError, ValueError) as error:
            raise WishError(f"{wish.file[:200]!r}: {getattr(error, 'strerror', None) or error}") from None
        self._log_fd, self._offset = fd, wish.start
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise WishError(f"{wish.file[:200]!r} is not a regular file")
        self.following = True
        self._buffer.clear()
        self.write()
