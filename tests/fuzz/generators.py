"""Generates inputs: hypothesis draws what is well formed but odd, and each is then damaged in many ways that cost little.

An input is bytes, of whatever its target reads. Everything follows from hypothesis's seed.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from hypothesis import strategies as st

from tuimon.log import wire
from tuimon.log.records import Command, Event
from tuimon.log.wire import field, varint

LONGEST = 1 << 16  # bytes of an input
LONGEST_TYPED = 1 << 12  # what the input thread reads at once
VARIANTS = 48  # damaged copies of each drawn input

_SPECIAL = (0.0, -1.0, 1e-45, 3.5e38, 1e300, float("nan"), float("inf"), float("-inf"))
_floats = st.sampled_from(_SPECIAL) | st.floats()
_steps = st.sampled_from((0, 1, 127, 128, 1 << 31, 1 << 34, 1 << 62, (1 << 63) - 1, (1 << 64) - 1)) | st.integers(0, 1 << 20)
_names = (
    "loss/train",
    "lr",
    "throughput",
    "x",
    "tuimon/event",
    "tuimon/run",
    "tuimon/gpu",
    "system/gpu0/x",
    "",
    "é\u202e\x1b[2J",
)
_tags = st.sampled_from(_names) | st.text(max_size=6) | st.integers(0, 9999).map("tag/{}".format)
_long = st.sampled_from((1, 5, 63, 64, 65, 66, 300, 3000)) | st.integers(1, 12) | st.integers(1, 12)


# Records of event files


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """One event, of any parts that a writer may put into it, in any number and order."""
    parts = [b"\x09" + struct.pack("<d", draw(_floats))] if draw(st.booleans()) else []
    if draw(st.booleans()):
        parts.append(b"\x10" + (varint(draw(_steps)) if draw(st.booleans()) else b"\xff" * draw(_long) + b"\x01"))
    repeat = draw(st.sampled_from((1,) * 30 + (40, 300)))
    values = [draw(_values()) for _ in range(draw(st.integers(0, 3)))] * repeat
    parts += [field(5, b"".join(values))] * draw(st.integers(0, 2))
    parts += [draw(_fields())] * draw(st.integers(0, 1))
    return b"".join(parts)


@st.composite
def _values(draw: st.DrawFn) -> bytes:
    tag = draw(_tags)
    kind = draw(st.integers(0, 5))
    if kind == 0:
        return wire.scalar_value(tag, draw(_floats))
    if kind == 1:
        text = draw(event_texts()) if tag.startswith("tuimon/") else draw(st.text(max_size=8))
        return wire.text_value(tag, text)
    if kind == 2:
        return field(1, field(1, wire.utf8(tag)) + field(5, draw(_histograms())))
    if kind == 3:
        return field(1, field(1, wire.utf8(tag)) + field(8, draw(_tensors())))
    if kind == 4:
        return field(1, field(1, b"t" * draw(_long)) + b"\x15" + struct.pack("<f", 1.0))
    return field(1, draw(_fields()))


@st.composite
def _histograms(draw: st.DrawFn) -> bytes:
    moments = b"".join(bytes((8 * n + 1,)) + struct.pack("<d", draw(_floats)) for n in range(1, 6))
    limits, counts = (draw(st.lists(_floats, max_size=4)) for _ in range(2))
    return moments + field(6, struct.pack(f"<{len(limits)}d", *limits)) + field(7, struct.pack(f"<{len(counts)}d", *counts))


@st.composite
def _tensors(draw: st.DrawFn) -> bytes:
    content = draw(st.binary(max_size=40))
    shape = field(2, b"".join(field(2, b"\x08" + varint(draw(_steps))) for _ in range(draw(st.integers(0, 3)))))
    parts = [b"\x08" + varint(draw(st.integers(0, 30))), shape, field(draw(st.integers(3, 17)), content)]
    return b"".join(parts)


@st.composite
def _fields(draw: st.DrawFn) -> bytes:
    """A field that nobody knows, or that is deeper or longer than it should be."""
    kind = draw(st.integers(0, 3))
    if kind == 0:
        return varint(draw(st.integers(8, 1 << 14))) + draw(st.binary(max_size=12))
    if kind == 1:
        return b"\x0b" * draw(_long)  # groups within groups
    if kind == 2:
        return b"\x80" * draw(_long)
    inner = b""
    for _ in range(draw(st.sampled_from((1, 5, 99, 101, 400)))):
        inner = field(1, inner)
    return inner


records = st.lists(messages(), min_size=1, max_size=3)


# JSON: events, commands, answers

_WHOLE = ("0", "-1", "1", "9007199254740993", "4611686018427387904", "18446744073709551616", "9" * 400, "1e999", "1.5", "-0.0")
_ODD = (
    *_WHOLE,
    "null",
    "true",
    '""',
    '"x"',
    '"\\ud800"',
    '"\\u0000\\u001b[31m"',
    '"é\u2028"',
    "[]",
    "{}",
    '[{"name":"a"}]',
    '{"":{}}',
)
_scraps = st.sampled_from(_ODD)


@st.composite
def _deep(draw: st.DrawFn) -> str:
    depth = draw(_long)
    opened, closed = draw(st.sampled_from((("[", "]"), ('{"a":', "}"), ('[{"a":', "}]"))))
    return opened * depth + draw(st.sampled_from(("", "1", '"["'))) + closed * draw(st.sampled_from((depth, 0, 1)))


def _objects(kind: type[msgspec.Struct], plain: dict[str, Any]) -> st.SearchStrategy[str]:
    """JSON of a record, some of whose fields have been given other values or taken away."""
    names = [info.encode_name for info in msgspec.structs.fields(kind)]
    right = {name: msgspec.json.encode(value).decode() for name, value in plain.items()}

    @st.composite
    def build(draw: st.DrawFn) -> str:
        told = dict(right)
        for name in draw(st.lists(st.sampled_from(names), max_size=3)):
            told[name] = draw(_scraps | _deep())
        if len(told) > 1 and draw(st.integers(0, 9)) == 0:
            told.pop(draw(st.sampled_from(sorted(told))))
        return "{" + ",".join(f'"{name}":{value}' for name, value in told.items()) + "}"

    return build()


_PROCESS = {"host": "h", "boot_id": "", "pid": 1, "started": 1.0}
_EVENTS: dict[str, dict[str, Any]] = {
    "launched": {"name": "r", "command": ["python"], "cwd": "/", "supervisor": _PROCESS},
    "started": {
        "name": "r", "process": _PROCESS, "total_steps": 100, "steps_per_epoch": 10, "first_step": 0,
        "spec": {"model": {"name": "m"}},
        "levers": [{"name": "lr_scale", "type": "number", "value": 1.0}, {"name": "paused", "type": "switch", "value": False}],
        "layers": [{"name": "fc", "type": "Linear", "parameters": 10, "units": 2}],
    },
    "applied": {"step": 3, "lever": "lr_scale", "old": 1.0, "new": 0.5, "by": "me", "id": "1"},
    "refused": {"step": 3, "lever": "lr_scale", "value": 2, "reason": "no", "id": "1"},
    "checkpoint": {"step": 3, "path": "checkpoints/last.pt", "reason": "asked"},
    "notice": {"text": "hello", "level": "warning", "step": 3},
    "gap": {"records": 3, "reason": "full", "first_step": 1, "last_step": 3},
    "ended": {"how": "finished", "step": 9},
    "exited": {"code": 0},
    "finding": {"step": 3, "rule": "dead", "text": "…", "layer": "fc", "remedy": {"lr_scale": 0.5}},
}  # fmt: skip
_KINDS = {kind.__struct_config__.tag: kind for kind in Event.__args__}


def event_texts() -> st.SearchStrategy[str]:
    """The JSON of an event, right or not."""
    return st.one_of([_objects(_KINDS[name], {"kind": name, **plain}) for name, plain in _EVENTS.items()])


_gpu_texts = st.builds('{{"reason":{},"gpus":[{{"index":{},"missing":{},"processes":[{{"pid":{}}}]}}]}}'.format, *[_scraps] * 4)
texts = st.lists(event_texts() | _gpu_texts | _deep(), min_size=1, max_size=3).map(lambda found: "\n".join(found).encode())

_wishes = st.builds('{{"want":{},"file":{},"from":{}}}'.format, st.sampled_from(('"log"', '"control"', "1")), _scraps, _scraps)
_commands = _objects(Command, {"lever": "lr_scale", "op": "multiply", "value": 0.5, "by": "me", "id": "1"})
_answers = _objects(_KINDS["applied"], {"kind": "applied", **_EVENTS["applied"]}) | st.just('{"error":"busy"}')
_lines = st.lists(_commands | _answers | _wishes | _deep(), max_size=5)
control = st.builds(
    lambda first, lines: "\n".join([first, *lines, ""]).encode(), st.just('{"want":"control"}') | _wishes | _deep(), _lines
)

# The keyboard

_numbers = st.sampled_from(("", "0", "1", "2", "27", "97", "65:97", "57441", "1114111", "1114112", "99999999", "-1", "²", "٣"))
_sequences = st.builds(
    lambda lead, numbers, end: f"\x1b{lead}{';'.join(numbers)}{end}".encode(),
    st.sampled_from(("[", "[<", "[?", "O", "]", "P", "[M", "[48;", "")),
    st.lists(_numbers, max_size=5),
    st.sampled_from(("u", "~", "A", "M", "m", "R", "t", "$y", "H", "I", "O", "Z", "", "\x1b\\", "\x07")),
)
_pastes = st.binary(max_size=20).map(lambda data: b"\x1b[200~" + data + b"\x1b[201~")
_reports = st.binary(min_size=3, max_size=3).map(b"\x1b[M".__add__)
_typed = st.text(max_size=4).map(wire.utf8)
keys = st.lists(_sequences | _pastes | _reports | _typed | st.binary(max_size=6), min_size=1, max_size=8).map(b"".join)


# Damage

_SCRAPS = (
    b"\xff",
    b"\x80" * 12,
    bytes(8),
    b"\x1b[",
    b"[",
    b"{",
    b'"',
    b"\\",
    b"\n",
    b"e9",
    b"\x0a\x00",
    b"\x15",
    b"\xc3\x28",
    b"\x7f",
)


def damaged(data: bytes, rng: random.Random) -> bytes:
    """The same bytes with a few of them changed, lost, repeated or put elsewhere."""
    found = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        if not found:
            break
        _damage(found, rng)
    return bytes(found[:LONGEST])


def _damage(found: bytearray, rng: random.Random) -> None:
    place = rng.randrange(len(found))
    end = min(len(found), place + rng.choice((1, 2, 4, 8, 30)))
    match rng.randrange(8):
        case 0:
            found[place] ^= 1 << rng.randrange(8)
        case 1:
            found[place] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        case 2:
            del found[place:end]
        case 3:
            del found[place:]
        case 4:
            found[place:place] = rng.choice(_SCRAPS)
        case 5:
            found[place:place] = found[place:end] * rng.choice((1, 1, 2, 3, 20, 300))
        case 6:
            found[place:place] = found[rng.randrange(len(found)) :][: end - place]
        case 7:
            found[place : place + 4] = struct.pack("<I", rng.choice((0, 1, 0xFFFFFFFF, 0x7FFFFFFF, rng.getrandbits(32))))


def files(drawn: Sequence[bytes], rng: random.Random) -> Iterator[bytes]:
    """Event files of messages, damaged on their way: checksums do not match, or lengths do not."""
    whole = b"".join(map(wire.frame, drawn))[:LONGEST]
    yield whole
    yield from (damaged(whole, rng) for _ in range(VARIANTS))


def wrong_files(drawn: Sequence[bytes], rng: random.Random) -> Iterator[bytes]:
    """Event files of messages that were damaged before they were written: every checksum is right."""
    yield b"".join(map(wire.frame, drawn))[:LONGEST]
    for _ in range(VARIANTS):
        victim = rng.randrange(len(drawn))
        told = (damaged(one, rng) if n == victim else one for n, one in enumerate(drawn))
        yield b"".join(map(wire.frame, told))[:LONGEST]


def copies(drawn: bytes, rng: random.Random) -> Iterator[bytes]:
    """What was drawn, and damaged copies of it."""
    yield drawn[:LONGEST]
    yield from (damaged(drawn, rng) for _ in range(VARIANTS))


def typed(drawn: bytes, rng: random.Random) -> Iterator[bytes]:
    """The same, as far as it is read at once."""
    yield from (data[:LONGEST_TYPED] for data in copies(drawn, rng))
