"""Pictures in a log: PNG files that others can read, sheets, and what is refused."""

from __future__ import annotations

import io
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tuimon.log import pictures, wire
from tuimon.log.reader import read_run
from tuimon.log.writer import LogWriter

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(8, 8, 1), (7, 5, 3), (1, 1, 1)])
def test_a_picture_is_read_as_it_was_written(shape: tuple[int, int, int]) -> None:
    """By tuimon, and by Pillow."""
    pixels = RANDOM.integers(0, 256, shape, np.uint8)
    png = pictures.encode(pixels)
    assert (pictures.decode(png) == pixels).all()
    assert (np.asarray(Image.open(io.BytesIO(png))).reshape(shape) == pixels).all()


@pytest.mark.parametrize(("count", "height", "width"), [(1, 8, 8), (13, 8, 8), (5, 28, 14), (2, 3, 40)])
def test_pictures_on_a_sheet_are_found_again(count: int, height: int, width: int) -> None:
    """In their order."""
    tiles = RANDOM.integers(0, 256, (count, height, width, 3), np.uint8)
    pixels, sheet = pictures.lay_out(tiles, "pictures/x")
    assert (pictures.cut_out(pixels, sheet) == tiles).all()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "not a PNG"),
        (b"GIF89a", "not a PNG"),
        (pictures.encode(np.zeros((4, 4, 1), np.uint8))[:40], "damaged|breaks off|without"),
        (pictures.encode(np.zeros((4, 4, 1), np.uint8))[:20], "without IHDR"),
        (pictures.encode(np.zeros((1 << 9, (1 << 11) + 1, 1), np.uint8)), "another form"),
    ],
)
def test_what_is_no_picture_of_ours_is_refused(data: bytes, says: str) -> None:
    """Without decoding more than it may hold."""
    with pytest.raises(ValueError, match=says):
        pictures.decode(data)


def test_pictures_of_other_programs_in_another_form_are_refused() -> None:
    """Filters, palettes, 16 bits."""
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    for image in (Image.fromarray(ramp).convert("P"), Image.fromarray(ramp.astype(np.int32)).convert("I;16")):
        out = io.BytesIO()
        image.save(out, "PNG")
        with pytest.raises(ValueError, match="another form"):
            pictures.decode(out.getvalue())


def test_a_bomb_is_not_unpacked() -> None:
    """No more bytes come out than the header announces."""
    png = pictures.encode(np.zeros((2, 2, 1), np.uint8))
    bomb = zlib.compress(bytes(50_000_000))
    start = png.index(b"IDAT") - 4
    assert not pictures.decode(png[:start] + pictures._chunk(b"IDAT", bomb) + png[-12:]).any()


def test_a_sheet_that_is_too_small_is_refused() -> None:
    """A log may say anything of its pictures."""
    with pytest.raises(ValueError, match="outside"):
        pictures.cut_out(np.zeros((8, 8, 1), np.uint8), pictures.Sheet("pictures/x", 2, 3, 8, 8))


def test_pictures_are_kept_by_tag_and_step(tmp_path: Path) -> None:
    """One that is logged again at an earlier step replaces those after it; other programs' images are only counted."""
    writer = LogWriter(tmp_path, "run")
    for step, grey, tag in ((1, 10, "pictures/a"), (5, 20, "pictures/a"), (3, 30, "pictures/a"), (3, 40, "theirs/a")):
        png = pictures.encode(np.full((2, 2, 1), grey, np.uint8))
        writer.text_and_pictures(step, "told/a", "text", wire.image_value(tag, 2, 2, 1, png))
    writer.close()
    store = read_run(tmp_path)
    assert [(one.step, int(pictures.decode(one.png)[0, 0, 0])) for one in store.pictures["pictures/a"]] == [(1, 10), (3, 30)]
    assert store.unshown == {"theirs/a": "an image"} and len(store.texts["told/a"]) == 2


def test_tensorboard_shows_pictures_and_texts_of_one_record(tmp_path: Path) -> None:
    """In its own reader, byte by byte."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    png = pictures.encode(RANDOM.integers(0, 256, (300, 7, 3), np.uint8))
    writer = LogWriter(tmp_path, "run")
    writer.text_and_pictures(4, "samples/val", "what it says", wire.image_value("pictures/samples/val", 300, 7, 3, png))
    writer.close()
    seen = EventAccumulator(str(tmp_path)).Reload()
    (tag,) = seen.Tags()["images"]
    (image,) = seen.Images(tag)
    assert tag == "pictures/samples/val" and (image.step, image.height, image.width) == (4, 300, 7)
    assert image.encoded_image_string == png
    (text,) = seen.Tensors("samples/val")
    assert text.tensor_proto.string_val == [b"what it says"]
