"""The built-in presets: complete experiments, as data.

Finds the folder of models and presets, in a checkout or inside an installed wheel, and lists its contents. Reads TOML only:
does not know what the keys mean, and never imports a model (so no torch).
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from tuimon.base.errors import TuimonError

DEFAULT_PRESET = "digits-mlp"

_PACKAGE = Path(__file__).resolve().parent.parent


class PresetInfo(msgspec.Struct, frozen=True):
    """A preset as lists show it; `text` has one line on what to watch and one on what to try."""

    name: str
    title: str
    group: str
    text: tuple[str, ...]
    path: Path


def models_folder() -> Path:
    """The folder of the model files and of `presets/`: next to the package in a checkout, inside it in a wheel."""
    folders = (_PACKAGE / "models_data", _PACKAGE.parent / "models")
    found = next((folder for folder in folders if (folder / "presets").is_dir()), None)
    if found is None:
        raise TuimonError(f"The tuimon installation is incomplete: {folders[0]} is missing.", "Reinstall tuimon.")
    return found


def model_names() -> tuple[str, ...]:
    """The names of the built-in models."""
    return tuple(sorted(path.stem for path in models_folder().glob("*.py")))


def preset_paths() -> dict[str, Path]:
    """The files of all presets by name, sorted."""
    return {path.stem: path for path in sorted((models_folder() / "presets").glob("*.toml"))}


def presets() -> list[PresetInfo]:
    """All presets: the default one first, the others by group and name."""
    found = [_info(name, path) for name, path in preset_paths().items()]
    return sorted(found, key=lambda preset: (preset.name != DEFAULT_PRESET, preset.group, preset.name))


def find_preset(name: str) -> PresetInfo | None:
    """The preset with that name; None if there is none. Reads one file."""
    path = preset_paths().get(name)
    return _info(name, path) if path else None


def read_toml(path: Path) -> dict[str, Any]:
    """Reads the tables of a TOML file.

    Raises:
        TuimonError: the file cannot be read or is not TOML; the text names the file and the line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        return tomllib.loads(text)
    except OSError as error:
        raise TuimonError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise TuimonError(f"{path}: not a UTF-8 text file") from error
    except (ValueError, RecursionError) as error:  # also for a number too long for Python, or tables nested too deep
        raise TuimonError(_syntax_error(path, text, str(error))) from error


def _info(name: str, path: Path) -> PresetInfo:
    data = read_toml(path)
    return PresetInfo(name, str(data.get("title", name)), str(data.get("group", "")), tuple(data.get("text", ())), path)


def _syntax_error(path: Path, text: str, message: str) -> str:
    place = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", message)
    if place is None:
        return f"{path}: not valid TOML: {message}"
    line = place[1] or str(text.count("\n") + 1)
    return f"{path}, line {line}: not valid TOML: {message[: place.start()]}"
