"""The verbs of the command line and their options. Shell completion is generated from them, too."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from tuimon.base.bounds import Bounds
from tuimon.base.version import __version__
from tuimon.cli.values import bounds, memory, numbers, positive, seconds, share, size, weight, words

_DESCRIPTION = "Launch PyTorch training, watch it live and steer it, from a terminal. Without a command, opens the screen."
_RUN_HELP = "a run: its name, the start of its name, `latest`, or a path"
_GLOB_HELP = "'lr-*' means all live runs that fit"
_SETTING_HELP = "lr_scale=0.5, lr_scale=*0.5, dropout=off, l1=default, regularization=toggle, pause, resume, checkpoint, undo"
_TIMEOUT_S = 60.0
_RUN_USAGE = """tuimon run [options] PRESET|SPEC.toml|RUN_FOLDER [key=value ...]
       tuimon run [options] SCRIPT.py|-m MODULE|-c CODE|PROGRAM [its arguments ...]"""
_RUN_EPILOG = (
    "Your own program is started as `python` or the shell would start it: SCRIPT.py, -m MODULE and -c CODE by Python, "
    "anything else by itself (torchrun train.py, ./train.sh, accelerate launch train.py). Put tuimon's options before it: all "
    "that follows is the program's. With --headless its stdout and stderr are passed through, it reads tuimon's stdin, and "
    "tuimon's own lines go to stderr (--quiet: nowhere). A preset's name goes before a file's."
)

if TYPE_CHECKING:
    _Verbs = argparse._SubParsersAction[argparse.ArgumentParser]


def build_parser() -> argparse.ArgumentParser:
    """The parser with all verbs and their options."""
    parser = argparse.ArgumentParser("tuimon", description=_DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"tuimon {__version__}")
    _runs_dir(parser, default=None)
    parser.add_argument("--ascii", action="store_true", help="draw with ASCII characters only")
    parser.set_defaults(verb="home")
    verbs = parser.add_subparsers(metavar="COMMAND", title="commands")
    for add in (_add_run, _add_check, _add_compare, _add_resume, _add_replay, _add_fork, _add_search):
        add(verbs)
    for add in (_add_learn, _add_ls, _add_attach):
        add(verbs)
    for add in (_add_set, _add_stop, _add_queue, _add_diagnose, _add_look, _add_plot, _add_export, _add_report, _add_dump):
        add(verbs)
    for add in (_add_keeping, _add_others):
        add(verbs)
    return parser


def _add(verbs: _Verbs, name: str, text: str) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=text, description=text)
    parser.set_defaults(verb=name)
    return parser


def _runs_dir(parser: argparse.ArgumentParser, default: str | None = argparse.SUPPRESS) -> None:
    text = "folder of the runs (default: $TUIMON_RUNS, or ./runs)"
    _complete(parser.add_argument("--runs-dir", metavar="DIR", default=default, help=text), "directories")


def _output(parser: argparse.ArgumentParser, lines: str = "metrics, events, findings, and how it ended") -> None:
    parser.add_argument("--headless", action="store_true", help="print progress instead of opening the screen")
    parser.add_argument("--json", action="store_true", help=f"print JSON lines: {lines}")
    parser.add_argument("--ascii", action="store_true", default=argparse.SUPPRESS, help="draw with ASCII characters only")


def _trust(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--trust", action="store_true", help="do not ask before files are run that other users can change")


def _started(parser: argparse.ArgumentParser, device: str) -> None:
    """Adds the options of verbs that start a training process and watch it."""
    _runs_dir(parser)
    parser.add_argument("--device", metavar="D", help=f"auto, cpu, cuda, cuda:N or mps (default: {device})")
    parser.add_argument("--detach", action="store_true", help="start the run, print its name, and return")
    _trust(parser)
    _output(parser)
    parser.add_argument("--quiet", action="store_true", help="with --headless: print nothing of tuimon's own")


def _on(parser: argparse.ArgumentParser) -> None:
    """Adds the options that say where a run trains, and what it waits for."""
    text = (
        "local:N waits until fewer than N of your runs train on the device; slurm[:PARTITION][,time=2h] is a job of Slurm, "
        "ray[:ADDRESS] an actor of Ray; "
        "USER@HOST[:FOLDER] is over ssh (default: local)"
    )
    parser.add_argument("--on", metavar="PLACE", default="local", help=text)
    text = "the memory it needs, such as 8G: waits until its device has that much left"
    parser.add_argument("--memory", metavar="SIZE", type=memory, default=0, help=text)


def _new_run(parser: argparse.ArgumentParser, name: str, device: str) -> None:
    parser.add_argument("--name", help=f"name of the run (default: {name})")
    _started(parser, device)


def _complete(action: argparse.Action, what: str) -> None:
    """Tells shell completion which names fit here."""
    action.complete = what  # type: ignore[attr-defined]


def _add_run(verbs: _Verbs) -> None:
    parser = _add(verbs, "run", "Train a preset, a spec file or your own program in the background, and watch it.")
    parser.usage = _RUN_USAGE
    parser.epilog = _RUN_EPILOG
    text = "a preset (see `tuimon presets`), a .toml file, a run's folder, or your own program; if missing: the Launch screen"
    _complete(parser.add_argument("source", metavar="PRESET|SPEC.toml|PROGRAM", nargs="?", help=text), "presets")
    text = "of a preset or a spec: lr=0.01, epochs=5, model.hidden=[64,64], …"
    parser.add_argument("settings", metavar="key=value", nargs="*", help=text)
    _new_run(parser, name="the preset's name and a number", device="as in the spec")
    _on(parser)
    text = "apply remedies of what is found, watch what they do, and take back what makes things worse"
    parser.add_argument("--autopilot", action="store_true", help=text)
    text = f"how far it may go, which also switches it on (default: {Bounds()}); levers=lr_scale+clip_norm allows only these"
    parser.add_argument("--autopilot-bounds", metavar="BOUNDS", dest="bounds", type=bounds, help=text)


def _add_check(verbs: _Verbs) -> None:
    parser = _add(verbs, "check", "Check a preset or a spec file before training: data, model, gradients, learning rate.")
    text = "a preset (see `tuimon presets`), a .toml file, or a run's folder"
    _complete(parser.add_argument("source", metavar="PRESET|SPEC.toml", help=text), "presets")
    parser.add_argument("settings", metavar="key=value", nargs="*", help="lr=0.01, model.hidden=[64,64], …")
    _trust(parser)
    parser.add_argument("--json", action="store_true", help="print JSON lines")
    parser.add_argument("--ascii", action="store_true", default=argparse.SUPPRESS, help="draw with ASCII characters only")


def _add_compare(verbs: _Verbs) -> None:
    parser = _add(verbs, "compare", "Train several presets or open several runs, overlay their curves, and print a table.")
    text = (
        "presets and .toml files to start, and runs to open; key=value changes the one before it, at the beginning all; "
        "lr=0.01,0.1 makes two runs"
    )
    _complete(parser.add_argument("sources", metavar="PRESET|SPEC.toml|RUN|key=value", nargs="+", help=text), "runs")
    _runs_dir(parser)
    parser.add_argument("--device", metavar="D", help="auto, cpu, cuda, cuda:N or mps (default: as in each spec)")
    text = (
        "exit with 1 if the loss of another run than the first is higher by more than this, with 3 if they cannot be compared"
    )
    parser.add_argument("--max-loss", metavar="SHARE", type=share, help=text.replace("%", "%%"))
    text = "the same for the time of a step, such as 5%%"
    parser.add_argument("--max-slower", metavar="SHARE", type=share, help=text)
    parser.add_argument("--quiet", action="store_true", help="print no chart under the table")
    _trust(parser)
    _output(parser, "a result for each run")


def _add_resume(verbs: _Verbs) -> None:
    parser = _add(verbs, "resume", "Continue an ended run from its last checkpoint, and watch it.")
    _complete(parser.add_argument("run", metavar="RUN", help=_RUN_HELP), "runs")
    parser.add_argument("settings", metavar="key=value", nargs="*", help="epochs=40, steps=5000, …: what to change")
    _started(parser, device="as before")
    _on(parser)


def _add_replay(verbs: _Verbs) -> None:
    parser = _add(verbs, "replay", "Train a run again, repeat every change that was made to it at the same step, and watch it.")
    _complete(parser.add_argument("run", metavar="RUN", help=_RUN_HELP), "runs")
    parser.add_argument("settings", metavar="key=value", nargs="*", help="seed=1, …: what to change this time")
    _new_run(parser, name="the old run's name, `replay` and a number", device="as before")
    _on(parser)


def _add_fork(verbs: _Verbs) -> None:
    text = "Start a new run from a run's checkpoint, with something different, and watch it."
    parser = _add(verbs, "fork", text)
    parser.epilog = (
        "The fork goes on with the run's weights, optimizer, schedule, random state and place in the data. A live run saves "
        "a checkpoint at its next step and continues; with @STEP, the last checkpoint at or before that step is used. The name "
        "of a lever means the lever (lr_scale=*0.5, dropout=off, l2=1e-4), any other a key of the spec (lr=0.01, epochs=40)."
    )
    text = f"{_RUN_HELP}; with @STEP, from its last checkpoint at or before that step"
    _complete(parser.add_argument("run", metavar="RUN[@STEP]", help=text), "runs")
    parser.add_argument("settings", metavar="lever=value|key=value", nargs="*", help="what is different")
    parser.add_argument("--twin", action="store_true", help="also start the unchanged run from there, and compare the two")
    _new_run(parser, name="the run's name, `fork` and a number", device="as before")
    _on(parser)


def _add_search(verbs: _Verbs) -> None:
    parser = _add(verbs, "search", "Search hyperparameters: train many runs, each with other values, and keep the best.")
    parser.usage = """tuimon search [options] PRESET|SPEC.toml key=log(1e-5,1e-1) ... [key=value ...]
       tuimon search [options] SCRIPT.py --option=log(1e-5,1e-1) ... [its arguments ...]
       tuimon search [options] STUDY"""
    parser.epilog = (
        "Ranges: uniform(a,b), log(a,b), one_minus_log(a,b) (evenly in log(1 - x), for momentum), int(a,b), int_log(a,b), "
        "choice(a,b,c), bool(). Put them in quotes, because of the shell. A study is a folder of runs; the name of a study "
        "goes on with it, also beside another search. Ctrl-C starts no more trials; once more stops those in flight."
    )
    text = "a preset, a spec file, a file with [space], your own program, or a study to go on with"
    _complete(parser.add_argument("source", metavar="SOURCE", nargs="?", help=text), "presets")
    parser.add_argument("settings", metavar="key=value", nargs="*", help="what is varied, and what is fixed")
    parser.add_argument("--name", help="name of the study (default: the preset's name, `search` and a number)")
    text = "when to start no more: '50 trials', 2h, 'until loss/val<0.1', or several with commas (default: 20 trials)"
    parser.add_argument("--budget", metavar="B", help=text)
    parser.add_argument("--jobs", metavar="N", type=positive, help="trials at a time (default: 1, or one for each GPU)")
    parser.add_argument("--gpus", metavar="0,1", type=numbers, help="the GPUs to use; with more jobs, several share one")
    text = "how values are chosen; fine: rounds, each in a box around the best of the last (default: random)"
    parser.add_argument("--sampler", choices=("random", "grid", "tpe", "fine"), help=text)
    parser.add_argument("--rounds", metavar="N", type=positive, help="rounds of --sampler fine (default: 3)")
    text = "end trials early that are worse than the median, or by successive halving (default: none)"
    parser.add_argument("--pruner", choices=("none", "median", "halving"), help=text)
    parser.add_argument("--objective", metavar="TAG", help="the curve that counts (default: loss/val)")
    parser.add_argument("--goal", choices=("min", "max"), help="its best is the lowest or highest (default: by its name)")
    parser.add_argument("--of", metavar="best|last|mean:K", help="its best value, its last, or the mean of its last K")
    parser.add_argument("--seed", metavar="N", type=int, help="of the values that are tried (default: 0)")
    parser.add_argument("--show", action="store_true", help="print what a study has found, and start nothing")
    _runs_dir(parser)
    parser.add_argument("--device", metavar="D", help="auto, cpu, cuda, cuda:N or mps (default: as in the spec)")
    _on(parser)
    _trust(parser)
    parser.add_argument("--json", action="store_true", help="print JSON lines: each trial as it ends, and the study")


def _add_learn(verbs: _Verbs) -> None:
    parser = _add(verbs, "learn", "Courses: the presets in an order that teaches, with what your own runs of them showed.")
    parser.add_argument("course", metavar="COURSE", nargs="?", help="a course, by name or number (default: list all)")
    parser.add_argument("lesson", metavar="LESSON", nargs="?", help="a lesson's number or name (default: list the course)")
    parser.add_argument("--run", action="store_true", help="train the lesson's preset, and watch it")
    _started(parser, device="as in the preset")


def _add_ls(verbs: _Verbs) -> None:
    parser = _add(verbs, "ls", "List runs, newest first: all, or those that fit a filter.")
    text = "word, 'a | b', !word, 'digits-*', /regex/, 'lr>=1e-3', model=cnn, state:failed, tag:baseline; all must fit"
    parser.add_argument("words", metavar="FILTER", nargs="*", help=text)
    _runs_dir(parser)
    text = "sort by run, state, step, loss, val, speed, device, last, began, or a setting such as lr"
    parser.add_argument("--sort", metavar="COLUMN", help=text)
    parser.add_argument("--reverse", action="store_true", help="the other way round")
    text = "columns in this order: run, state, step, loss, val, speed, device, last, detail, tag, note, or settings such as lr"
    parser.add_argument("--columns", metavar="A,B,…", type=words, help=text)
    parser.add_argument("--json", action="store_true", help="print JSON lines, one a run")
    parser.add_argument("--names", action="store_true", help="print names only")
    text = "runs that differ in their seed alone as one row, with the mean and the standard deviation of their losses"
    parser.add_argument("--seeds", action="store_true", help=text)
    parser.add_argument("--trials", action="store_true", help="list the trials of studies, too, which are one row otherwise")


def _add_attach(verbs: _Verbs) -> None:
    parser = _add(verbs, "attach", "Watch a run, live or finished.")
    text = f"{_RUN_HELP} (default: latest)"
    _complete(parser.add_argument("run", metavar="RUN", nargs="?", default="latest", help=text), "runs")
    _runs_dir(parser)
    _output(parser)


def _add_set(verbs: _Verbs) -> None:
    parser = _add(verbs, "set", "Set levers of live runs, and print the result of each.")
    _complete(parser.add_argument("run", metavar="RUN", help=f"{_RUN_HELP}; {_GLOB_HELP}"), "runs")
    parser.add_argument("settings", metavar="lever=value", nargs="*", help=_SETTING_HELP)
    _timeout(parser, "how long to wait for a run that is still starting")
    _runs_dir(parser)


def _timeout(parser: argparse.ArgumentParser, what: str) -> None:
    text = f"{what} (default: {_TIMEOUT_S:g})"
    parser.add_argument("--timeout", metavar="SECONDS", type=seconds, default=_TIMEOUT_S, help=text)


def _add_stop(verbs: _Verbs) -> None:
    parser = _add(verbs, "stop", "Stop runs after they finish their step, validate and save a checkpoint.")
    _complete(parser.add_argument("run", metavar="RUN", help=f"{_RUN_HELP}; {_GLOB_HELP}"), "runs")
    _runs_dir(parser)
    parser.add_argument("--now", action="store_true", help="end their processes immediately, by force if needed")
    _timeout(parser, "how long to wait for its training to end")


def _add_look(verbs: _Verbs) -> None:
    text = "Print samples of a run's last validation: truth, prediction and loss, the worst first; or a path over two weights."
    parser = _add(verbs, "look", text)
    text = f"{_RUN_HELP} (default: latest)"
    _complete(parser.add_argument("runs", metavar="RUN", nargs="*", default=["latest"], help=text), "runs")
    _runs_dir(parser)
    parser.add_argument("--worst", metavar="N", type=positive, default=12, help="how many samples (default: 12)")
    parser.add_argument("--step", type=int, help="the last validation at or before this step (default: the latest)")
    parser.add_argument("--ascii", action="store_true", default=argparse.SUPPRESS, help="draw with ASCII characters only")
    parser.add_argument("--no-color", action="store_true", help="no colours: pictures in characters of different darkness")


def _add_queue(verbs: _Verbs) -> None:
    text = "List your runs on this machine that wait for a device and that train, or change their order."
    parser = _add(verbs, "queue", text)
    parser.epilog = "`tuimon run --on local:1 …` waits for a device; `tuimon stop RUN` takes a run out of the queue."
    text = f"a waiting run to move: {_RUN_HELP}"
    _complete(parser.add_argument("run", metavar="RUN", nargs="?", help=text), "runs")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--first", action="store_true", help="before all others")
    where.add_argument("--last", action="store_true", help="after all others")
    _runs_dir(parser)
    parser.add_argument("--json", action="store_true", help="print JSON lines, one a run")


def _add_plot(verbs: _Verbs) -> None:
    parser = _add(verbs, "plot", "Print curves of runs as a chart: on a terminal, into a pipe, or into a CI log.")
    text = "runs (name, start of a name, `latest`, path), then tags or globs such as 'grad_norm/*' (default: the losses)"
    _complete(parser.add_argument("words", metavar="RUN|TAG", nargs="+", help=text), "runs")
    _runs_dir(parser)
    text = "instead of curves, of one run: histograms, bars by layer, heat maps or boxes of gradients, the confusion matrix"
    parser.add_argument("--kind", choices=("curves", "hist", "bar", "heatmap", "box", "confusion"), default="curves", help=text)
    parser.add_argument("--step", type=int, help="of --kind: the last sample at or before this step (default: the latest)")
    parser.add_argument("--log", action="store_true", help="logarithmic y axis")
    parser.add_argument("--x", choices=("step", "epoch", "time"), default="step", help="what the x axis counts (default: step)")
    text = "smooth with this weight, as on TensorBoard's page (default if given without one: 0.6)"
    parser.add_argument("--smooth", metavar="WEIGHT", type=weight, nargs="?", const=0.6, default=0.0, help=text)
    parser.add_argument("--size", metavar="COLUMNSxROWS", type=size, help="size of each chart (default: as the terminal)")
    parser.add_argument("--ascii", action="store_true", default=argparse.SUPPRESS, help="draw with ASCII characters only")
    parser.add_argument(
        "--no-color", action="store_true", help="no colours (also: $NO_COLOR, and wherever there is no terminal)"
    )


def _add_diagnose(verbs: _Verbs) -> None:
    text = "Find problems in the logs of runs, say what causes them and what to try; exit with 1 on a critical one."
    parser = _add(verbs, "diagnose", text)
    text = f"{_RUN_HELP}, or a folder of runs; also logs of other programs"
    _complete(parser.add_argument("runs", metavar="RUN|FOLDER", nargs="*", help=text), "runs")
    _runs_dir(parser)
    parser.add_argument("--again", action="store_true", help="apply this version's rules, whatever findings the log has")
    parser.add_argument("--rules", action="store_true", help="list all rules: what each means, needs and cites")
    parser.add_argument("--json", action="store_true", help="print JSON lines, one a finding or rule")


def _add_dump(verbs: _Verbs) -> None:
    parser = _add(verbs, "dump", "Print a log as text: of a run, or of any framework that writes TensorBoard event files.")
    _complete(parser.add_argument("run", metavar="RUN", help=f"{_RUN_HELP} to a folder or an event file"), "runs")
    _runs_dir(parser)
    parser.add_argument("--json", action="store_true", help="print JSON lines")
    _tag(parser)
    parser.add_argument("--events", action="store_true", help="print tuimon's own events in full, not in short")


def _tag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tag", metavar="REGEX", help="only tags in which this regular expression is found, such as '^loss/'")


def _add_export(verbs: _Verbs) -> None:
    parser = _add(verbs, "export", "Write the curves of a run, or of any TensorBoard log, for other programs.")
    _complete(parser.add_argument("run", metavar="RUN", help=f"{_RUN_HELP} to a folder or an event file"), "runs")
    _runs_dir(parser)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="one row a point: run, tag, step, wall_time, value (the default)")
    form.add_argument("--json", action="store_true", help="print JSON lines, one a tag")
    form.add_argument("--parquet", action="store_true", help="the columns of --csv as Parquet (needs pyarrow)")
    _tag(parser)
    parser.add_argument("-o", "--output", metavar="FILE", help="write to a file (default: stdout)")
    parser.add_argument("--svg", metavar="FILE", help="write a chart of the losses, or of the tags of --tag")


def _add_report(verbs: _Verbs) -> None:
    text = "Write a report of a run, or of any TensorBoard log: curves, findings, changes and what they did."
    parser = _add(verbs, "report", text)
    _complete(parser.add_argument("run", metavar="RUN", help=f"{_RUN_HELP} to a folder or an event file"), "runs")
    _runs_dir(parser)
    text = "the file to write (default: RUN.html in this folder, with --text stdout; `-` is stdout)"
    parser.add_argument("-o", "--output", metavar="FILE", help=text)
    parser.add_argument("--text", action="store_true", help="as text instead of an HTML page")
    parser.add_argument("--ascii", action="store_true", default=argparse.SUPPRESS, help="draw with ASCII characters only")


def _add_keeping(verbs: _Verbs) -> None:
    """Verbs that change what is kept of runs: their names, notes, tags, and whether they are kept at all."""
    text = "Rename a run that is over."
    parser = _add(verbs, "mv", text)
    _complete(parser.add_argument("run", metavar="RUN", help=_RUN_HELP), "runs")
    parser.add_argument("to", metavar="NAME", help="its new name")
    _runs_dir(parser)
    parser = _add(verbs, "rm", "Delete runs that are over, with all files in their folders; asks once.")
    _complete(parser.add_argument("runs", metavar="RUN", nargs="+", help=_RUN_HELP), "runs")
    _runs_dir(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser = _add(verbs, "note", "Write a note on a run, or print it.")
    _complete(parser.add_argument("run", metavar="RUN", help=_RUN_HELP), "runs")
    parser.add_argument("text", metavar="TEXT", nargs="*", help="the note (default: print it); '' removes it")
    _runs_dir(parser)
    parser = _add(verbs, "tag", "Tag a run, or print its tags; `tuimon ls tag:TAG` finds it.")
    _complete(parser.add_argument("run", metavar="RUN", help=_RUN_HELP), "runs")
    parser.add_argument("tags", metavar="TAG", nargs="*", help="tags to add (default: print them)")
    parser.add_argument("--remove", metavar="TAG", action="append", default=[], help="a tag to take away")
    _runs_dir(parser)


def _add_others(verbs: _Verbs) -> None:
    presets = _add(verbs, "presets", "List the presets, or show one with its spec.")
    _complete(
        presets.add_argument("preset", metavar="PRESET", nargs="?", help="the preset to show (default: list all)"), "presets"
    )
    presets.add_argument("--json", action="store_true", help="print JSON lines, one a preset")
    presets.add_argument("--names", action="store_true", help="print names only")
    _runs_dir(_add(verbs, "doctor", "Check what training and the screen need, and say how to fix each problem."))
    _add(verbs, "schema", "Print the JSON Schema of the lines that --json prints.")
    config = _add(verbs, "config", "Show the settings of the screen, or change them: theme, notices, title, grid.")
    config.add_argument("settings", metavar="KEY=VALUE", nargs="*", help="such as theme=nord or notices=bell; KEY= restores it")
    completion = _add(verbs, "completion", 'Print a shell completion script; to load it: eval "$(tuimon completion bash)"')
    completion.add_argument("shell", choices=("bash", "zsh", "fish", "tcsh"))
