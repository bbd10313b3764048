"""What the user prefers, in a file under their config folder, and what the screen remembers of each folder of runs.

`$XDG_CONFIG_HOME/tuimon/config.toml` (else `~/.config/…`) is the user's: `tuimon config key=value` writes it, and so does
choosing a theme. `$XDG_STATE_HOME/tuimon/views.json` (else `~/.local/state/…`) is the screen's own. A file that cannot be read
costs its settings, never the screen. Knows no Textual.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from tuimon.base.errors import TuimonError
from tuimon.base.here import user_folder
from tuimon.base.nearest import did_you_mean

_MOST_FOLDERS = 200  # of runs, that are remembered


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The user's preferences.

    Attributes:
        theme: the theme's name; empty: by what the terminal can show.
        notices: how the end, a failure, a loss that is not finite and a critical finding are told outside of the screen: any of
            `bell`, `osc9` (iTerm2, Windows Terminal, WezTerm), `osc777` (VTE, kitty, foot), separated by commas, or `off`.
        notice_command: a command for these events; `$TUIMON_RUN`, `$TUIMON_EVENT` and `$TUIMON_TEXT` tell which.
        title: whether the terminal's title tells state and progress.
        grid: rows and columns of the small charts, such as `3x4`, or `auto`.
        columns: those of the list of runs, in this order, such as `name,val,lr`, or `auto`.
    """

    theme: str = ""
    notices: str = "bell,osc9"
    notice_command: str = ""
    title: bool = True
    grid: str = "auto"
    columns: str = "auto"


_FOLDED = "evidence"  # the heading of the charts that the diagnosis reads, see `widgets.chart_groups`


class View(msgspec.Struct, omit_defaults=True):
    """What is remembered of one folder of runs.

    Attributes:
        filter: of the charts.
        pinned: charts that come first.
        folded: headings whose charts are not shown.
        loss: the loss's share of the screen; None: the usual one.
        column: the share of the column beside it; None: the usual one.
        hidden: panels that are not shown.
    """

    filter: str = ""
    pinned: list[str] = []
    folded: list[str] = msgspec.field(default_factory=lambda: [_FOLDED])
    loss: float | None = None
    column: float | None = None
    hidden: list[str] = []


NAMES = Settings.__struct_fields__
_NOTICES = ("bell", "osc9", "osc777", "off")


def config_file() -> Path:
    """The file of the user's settings; it need not exist."""
    return user_folder("XDG_CONFIG_HOME", ".config") / "config.toml"


def load() -> Settings:
    """The user's settings.

    Raises:
        TuimonError: the file cannot be read; the text names it, and the setting that is wrong.
    """
    path = config_file()
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return Settings()
    except OSError as error:
        raise TuimonError(f"Cannot read the settings in {path}: {error.strerror}.") from error
    try:
        return _checked(msgspec.toml.decode(text, type=Settings))
    except (msgspec.DecodeError, ValueError) as error:
        raise TuimonError(f"Cannot read the settings in {path}: {error}.", f"The settings are {', '.join(NAMES)}.") from error


def load_or_default() -> tuple[Settings, str]:
    """The user's settings, and why they could not be read."""
    try:
        return load(), ""
    except TuimonError as error:
        return Settings(), str(error)


def change(settings: Sequence[str]) -> Settings:
    """Writes `key=value` settings to the user's file; an empty value restores the default.

    Raises:
        TuimonError: a key or value is wrong, or the file cannot be read or written.
    """
    known: dict[str, Any] = msgspec.structs.asdict(load())
    for text in settings:
        name, equals, value = text.partition("=")
        if not equals or name not in NAMES:
            raise TuimonError(
                f"{text!r} is not a setting as key=value{did_you_mean(name, NAMES)}", f"Settings: {', '.join(NAMES)}."
            )
        known[name] = _default(name) if not value else _read(name, value)
    changed = _checked(Settings(**known))
    write_whole(config_file(), _toml(changed))
    return changed


def grid_of(text: str) -> tuple[int, int] | None:
    """Rows and columns from `3x4`; None for `auto`.

    Raises:
        TuimonError: it is neither, or more than 36 charts.
    """
    if text in ("", "auto"):
        return None
    rows, _, columns = text.lower().replace("×", "x").partition("x")
    if not (rows.isdecimal() and columns.isdecimal() and 1 <= int(rows) * int(columns) <= 36):
        raise TuimonError(f"{text!r} is no grid of charts: give rows and columns, such as 3x4, at most 36 charts, or auto.")
    return int(rows), int(columns)


def columns_of(text: str) -> tuple[str, ...]:
    """Titles of columns from `name,val,lr`, each once; none for `auto`."""
    if text.strip() in ("", "auto"):
        return ()
    return tuple(dict.fromkeys(part.strip().lower() for part in text.split(",") if part.strip()))


def view_of(runs_dir: Path) -> View:
    """What is remembered of a folder of runs; nothing if it cannot be read."""
    return _views().get(str(runs_dir.absolute()), View())


def remember(runs_dir: Path, view: View) -> None:
    """Remembers the view of a folder of runs, the latest of which are kept. A full disk or no home costs the memory only."""
    views = _views()
    views.pop(str(runs_dir.absolute()), None)
    views[str(runs_dir.absolute())] = view
    latest = dict(list(views.items())[-_MOST_FOLDERS:])
    with contextlib.suppress(TuimonError):
        write_whole(_views_file(), msgspec.json.format(msgspec.json.encode(latest)))


def _views() -> dict[str, View]:
    try:
        return msgspec.json.decode(_views_file().read_bytes(), type=dict[str, View])
    except (OSError, ValueError, RecursionError):
        return {}


def _views_file() -> Path:
    return user_folder("XDG_STATE_HOME", ".local/state") / "views.json"


def write_whole(path: Path, text: bytes) -> None:
    """Writes a file whole or not at all.

    Raises:
        TuimonError: it cannot be written.
    """
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new.write_bytes(text)
        new.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            new.unlink()
        raise TuimonError(f"Cannot write the settings to {path}: {error.strerror}.") from error


def _toml(settings: Settings) -> bytes:
    """Only what differs from the defaults, so that later versions may have other ones."""
    changed = {name: getattr(settings, name) for name in NAMES if getattr(settings, name) != _default(name)}
    return msgspec.toml.encode(changed)


def _default(name: str) -> Any:
    return getattr(Settings(), name)


def _read(name: str, value: str) -> object:
    if not isinstance(_default(name), bool):
        return value
    if value.lower() not in ("on", "off", "true", "false"):
        raise TuimonError(f"{name} is on or off, not {value!r}.")
    return value.lower() in ("on", "true")


def _checked(settings: Settings) -> Settings:
    grid_of(settings.grid)
    wrong = [word for word in settings.notices.replace(" ", "").split(",") if word not in _NOTICES]
    if wrong:
        raise TuimonError(
            f"notices cannot be {wrong[0]!r}{did_you_mean(wrong[0], _NOTICES)}", f"Choose among {', '.join(_NOTICES)}."
        )
    return settings
