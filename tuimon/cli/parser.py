"""The command line's grammar: every verb with its options; also what shell completion is made from. No logic of its own."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tuimon.base.version import __version__

_DESCRIPTION = "Launch PyTorch training, watch it live and steer it, from a terminal. Without a command: the screen."
_RUN_HELP = "a run: its name, the beginning of its name, `latest`, or a path"
_SETTING_HELP = "lr_scale=0.5, lr_scale=*0.5, dropout=off, l1=default, regularization=toggle, pause, resume, checkpoint, undo"

_TAKE_A_WORD = (["--runs-dir"], ["--name"], ["--device"])  # options before a script that have a value of their own


if TYPE_CHECKING:
    _Verbs = argparse._SubParsersAction[argparse.ArgumentParser]


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Reads a command line; exits with 2 where it is wrong. Settings may stand before and after options.

    What stands behind a script to run is the script's own, as with Python.
    """
    parser = build_parser()
    end = _end_of_script(arguments)
    options, extra = parser.parse_known_args(arguments[:end])
    takes_settings = hasattr(options, "settings")
    if extra and (not takes_settings or any(word.startswith("-") for word in extra)):
        hint = "; a setting is written key=value, without dashes" if takes_settings else ""
        parser.error(f"unknown: {' '.join(extra)}{hint}")
    if extra:
        options.settings += extra
    if end is not None:
        options.settings = list(arguments[end:])
    return options


def _end_of_script(arguments: Sequence[str]) -> int | None:
    """Behind which word the arguments of `run SCRIPT.py` begin; None where no script is run."""
    words = [i for i, word in enumerate(arguments) if not word.startswith("-") and arguments[i - 1 : i] not in _TAKE_A_WORD]
    if len(words) < 2 or arguments[words[0]] != "run" or not arguments[words[1]].endswith(".py"):
        return None
    return words[1] + 1


def build_parser() -> argparse.ArgumentParser:
    """All verbs and their options; also what shell completion is made from."""
    parser = argparse.ArgumentParser("tuimon", description=_DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"tuimon {__version__}")
    _runs_dir(parser, default=None)
    parser.add_argument("--ascii", action="store_true", help="draw with plain ASCII characters only")
    parser.set_defaults(verb="home")
    verbs = parser.add_subparsers(metavar="COMMAND", title="commands")
    for add in (_add_run, _add_check, _add_compare, _add_resume, _add_replay, _add_ls, _add_attach):
        add(verbs)
    for add in (_add_set, _add_stop, _add_dump, _add_others):
        add(verbs)
    return parser


def _add(verbs: _Verbs, name: str, text: str) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=text, description=text)
    parser.set_defaults(verb=name)
    return parser


def _runs_dir(parser: argparse.ArgumentParser, default: str | None = argparse.SUPPRESS) -> None:
    text = "where runs are kept (default: $TUIMON_RUNS, else ./runs)"
    _complete(parser.add_argument("--runs-dir", metavar="DIR", default=default, help=text), "directories")


def _output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--headless", action="store_true", help="print progress instead of opening the screen")
    parser.add_argument("--json", action="store_true", help="print JSON lines: metrics, events, findings, the end")
    parser.add_argument("--ascii", action="store_true", default=argparse.SUPPRESS, help="draw with ASCII characters only")


def _started(parser: argparse.ArgumentParser, device: str) -> None:
    """The options of what starts a training process and watches it."""
    _runs_dir(parser)
    parser.add_argument("--device", metavar="D", help=f"auto, cpu, cuda, cuda:N or mps (default: {device})")
    parser.add_argument("--detach", action="store_true", help="start it, print its name, and return")
    _output(parser)


def _new_run(parser: argparse.ArgumentParser, name: str, device: str) -> None:
    parser.add_argument("--name", help=f"what to call the run (default: {name})")
    _started(parser, device)


def _complete(action: argparse.Action, what: str) -> None:
    """Notes for the shell's completion what stands here."""
    action.complete = what  # type: ignore[attr-defined]


def _add_run(verbs: _Verbs) -> None:
    parser = _add(verbs, "run", "Start training a preset, a spec file or a script of your own, detached, and watch it.")
    text = "a preset (`tuimon presets`), a .toml file, a run's folder, or a training script; without: the Launch screen"
    _complete(parser.add_argument("source", metavar="PRESET|SPEC.toml|SCRIPT.py", nargs="?", help=text), "presets")
    text = "lr=0.01, epochs=5, model.hidden=[64,64], …; what stands behind a script is its own, tuimon's options go before it"
    parser.add_argument("settings", metavar="key=value", nargs="*", help=text)
    _new_run(parser, name="the preset's name and a number", device="what the spec says")


def _add_check(verbs: _Verbs) -> None:
    parser = _add(verbs, "check", "Look at a preset or a spec file before training: data, model, gradients, learning rate.")
    text = "a preset (`tuimon presets`), a .toml file, or a run's folder"
    _complete(parser.add_argument("source", metavar="PRESET|SPEC.toml", help=text), "presets")
    parser.add_argument("settings", metavar="key=value", nargs="*", help="lr=0.01, model.hidden=[64,64], …")
    parser.add_argument("--json", action="store_true", help="print JSON lines")
    parser.add_argument("--ascii", action="store_true", default=argparse.SUPPRESS, help="draw with ASCII characters only")


def _add_compare(verbs: _Verbs) -> None:
    parser = _add(verbs, "compare", "Train several presets, or open several runs, overlaid; print their table at the end.")
    text = "presets or .toml files, which are started, and runs, which are opened; key=value changes all that are started"
    _complete(parser.add_argument("sources", metavar="PRESET|SPEC.toml|RUN|key=value", nargs="+", help=text), "runs")
    _runs_dir(parser)
    parser.add_argument("--device", metavar="D", help="auto, cpu, cuda, cuda:N or mps (default: what each spec says)")
    _output(parser)


def _add_resume(verbs: _Verbs) -> None:
    parser = _add(verbs, "resume", "Go on with a run that has ended, from its last checkpoint, and watch it.")
    _complete(parser.add_argument("run", metavar="RUN", help=_RUN_HELP), "runs")
    parser.add_argument("settings", metavar="key=value", nargs="*", help="epochs=40, or what else may change: steps, device, …")
    _started(parser, device="as before")


def _add_replay(verbs: _Verbs) -> None:
    parser = _add(verbs, "replay", "Train a run again with what was done to it done again, at the same steps, and watch it.")
    _complete(parser.add_argument("run", metavar="RUN", help=_RUN_HELP), "runs")
    parser.add_argument("settings", metavar="key=value", nargs="*", help="seed=1, …: what is to be different this time")
    _new_run(parser, name="the old one's name, replay and a number", device="as before")


def _add_ls(verbs: _Verbs) -> None:
    parser = _add(verbs, "ls", "List runs, the newest first.")
    _runs_dir(parser)
    parser.add_argument("--json", action="store_true", help="print a JSON array")
    parser.add_argument("--names", action="store_true", help="print names only")


def _add_attach(verbs: _Verbs) -> None:
    parser = _add(verbs, "attach", "Watch a run, live or finished.")
    text = f"{_RUN_HELP} (default: latest)"
    _complete(parser.add_argument("run", metavar="RUN", nargs="?", default="latest", help=text), "runs")
    _runs_dir(parser)
    _output(parser)


def _add_set(verbs: _Verbs) -> None:
    parser = _add(verbs, "set", "Move levers of a live run, and print what became of each.")
    _complete(parser.add_argument("run", metavar="RUN", help=_RUN_HELP), "runs")
    parser.add_argument("settings", metavar="lever=value", nargs="*", help=_SETTING_HELP)
    _runs_dir(parser)


def _add_stop(verbs: _Verbs) -> None:
    parser = _add(verbs, "stop", "Stop a run: it finishes its step, validates and saves.")
    _complete(parser.add_argument("run", metavar="RUN", help=_RUN_HELP), "runs")
    _runs_dir(parser)
    parser.add_argument("--now", action="store_true", help="end its process at once, by force if it must be")


def _add_dump(verbs: _Verbs) -> None:
    parser = _add(verbs, "dump", "Print a log as text: a run's, or that of any framework that writes TensorBoard event files.")
    _complete(parser.add_argument("run", metavar="RUN", help=f"{_RUN_HELP} of a folder or an event file"), "runs")
    _runs_dir(parser)
    parser.add_argument("--json", action="store_true", help="print JSON lines")


def _add_others(verbs: _Verbs) -> None:
    presets = _add(verbs, "presets", "List the presets.")
    presets.add_argument("--json", action="store_true", help="print a JSON array")
    presets.add_argument("--names", action="store_true", help="print names only")
    _runs_dir(_add(verbs, "doctor", "Look at what training and the screen need, and say what to do about each problem."))
    completion = _add(verbs, "completion", 'Print shell completion: eval "$(tuimon completion bash)"')
    completion.add_argument("shell", choices=("bash", "zsh", "tcsh"))
