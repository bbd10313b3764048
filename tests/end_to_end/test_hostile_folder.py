"""Looking runs nothing: every verb that only reads, and the screen, in a folder that another user has made to do harm.

Whatever in it can be run leaves a mark: the model and the script that its spec and its logs name, a checkpoint that is a
pickle, Python modules called like those that tuimon imports, names of folders that a shell would run. Its logs name a process
and a socket of the reader's. The reader is the tests' own user; run by root, the folder is another user's, and one reader a
third's.
"""

from __future__ import annotations

import os
import pickle
import pty
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from conftest import wait_until
from tuimon.base.process import Process, identify, is_alive
from tuimon.log.records import Command, Ended, Exited, Launched, LeverInfo, Planned, RunStarted
from tuimon.log.writer import LogWriter
from tuimon.spec.loading import load_spec

MALLORY, READER = 54321, 54322  # users that nobody is
SECRET = "the reader's own secret"
MARKS = "from pathlib import Path; Path({!r}).joinpath('mark-' + __name__).touch()\n"
_READ_ALL = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")  # where Python itself lies in root's home


@dataclass
class Place:
    """The hostile folder, and whoever looks at it."""

    base: Path
    prefix: list[str] = field(default_factory=list)
    victim: Process | None = None
    listener: socket.socket | None = None
    before: dict[str, object] = field(default_factory=dict)

    @property
    def theirs(self) -> Path:
        return self.base / "theirs"

    def command(self, *words: str) -> list[str]:
        """The command line as it is installed: the current folder is not on its path."""
        return [*self.prefix, sys.executable, "-P", "-m", "tuimon", *words]

    @property
    def options(self) -> dict[str, object]:
        """How it is run: in the hostile folder, of all places."""
        home = str(self.base / "home")
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG")}
        own = {"HOME": home, "XDG_RUNTIME_DIR": home, "TUIMON_RUNS": str(self.theirs), "TERM": "xterm-256color"}
        return {"cwd": self.theirs, "env": {**kept, **own, "PYTHONPATH": str(Path(__file__).parents[2])}}

    def run(self, *words: str, **more: object) -> subprocess.CompletedProcess[str]:
        """Runs a verb that ends by itself."""
        given = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True, "timeout": 100, **self.options, **more}
        return subprocess.run(self.command(*words), **given)  # type: ignore[call-overload, no-any-return]

    def check_untouched(self) -> None:
        """Nothing was run, written, signalled or connected to."""
        assert _tree(self.theirs) == self.before
        assert [path.name for path in (self.base / "marks").iterdir()] == []
        assert self.victim and is_alive(self.victim)
        assert self.listener
        with pytest.raises(BlockingIOError):
            self.listener.accept()


def _tree(folder: Path) -> dict[str, object]:
    found = {}
    for path in [folder, *folder.rglob("*")]:
        status = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
        found[str(path)] = (status.st_mode, status.st_uid, status.st_mtime_ns, content)
    return found


class Pickled:
    """A checkpoint that runs code when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.mark,)


@pytest.fixture(params=["myself", "another uid"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """The folder with all its traps, the victim, and the reader's home."""
    with ExitStack() as stack:
        base = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tuimon-hostile-")))
        base.chmod(0o755)
        place = Place(base)
        (base / "home").mkdir(mode=0o700)
        (base / "marks").mkdir()
        (base / "marks").chmod(0o777)
        if request.param == "another uid":
            place.prefix = _as_another_user(base)
        sleeper = subprocess.Popen([*place.prefix, "/bin/sleep", "600"])
        stack.callback(lambda: (sleeper.kill(), sleeper.wait()))
        wait_until(lambda: Path(f"/proc/{sleeper.pid}/comm").read_text() == "sleep\n")
        place.victim = identify(sleeper.pid)
        place.listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        place.listener.bind(str(base / "home" / "s"))
        place.listener.listen()
        place.listener.setblocking(False)
        (base / "home" / "secret").write_text(SECRET)
        _set_traps(place)
        if place.prefix:
            for path in (base / "home", *(base / "home").iterdir()):
                os.chown(path, READER, READER)
        if os.geteuid() == 0:
            for path in (place.theirs, *place.theirs.rglob("*")):
                os.chown(path, MALLORY, MALLORY, follow_symlinks=False)
        place.before = _tree(place.theirs)
        yield place


def _as_another_user(base: Path) -> list[str]:
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root can look as another user: run the tests as root, with setpriv (util-linux)")
    plain = ["setpriv", f"--reuid={READER}", f"--regid={READER}", "--clear-groups", "--no-new-privs"]
    for prefix in (plain, [*plain, *_READ_ALL]):
        tried = Place(base, prefix).command("--version")
        if (
            subprocess.run(tried, capture_output=True, cwd=base, env={"PYTHONPATH": str(Path(__file__).parents[2])}).returncode
            == 0
        ):
            return prefix
    pytest.skip("another user cannot read this Python: install it, and tuimon, where all users may read them")


def _set_traps(place: Place) -> None:
    assert place.victim
    theirs, marks = place.theirs, place.base / "marks"
    code = MARKS.format(str(marks))
    for module in (
        "torch",
        "tuimon",
        "textual",
        "msgspec",
        "numpy",
        "sitecustomize",
        "usercustomize",
        "json",
        "psutil",
        "pynvml",
    ):
        theirs.mkdir(exist_ok=True)
        (theirs / f"{module}.py").write_text(code)
    (theirs / "conftest.py").write_text(code)
    for name, over in (("ended", True), ("live", False)):
        run = theirs / name
        words = (str(run / "script.py"), "--now")
        launch = LogWriter(run, "launch")
        launch.event(Launched(name=name, command=("sh", "-c", f"touch {marks}/sh"), cwd=str(theirs), supervisor=place.victim,
                              user="you", words=words))  # fmt: skip
        log = LogWriter(run, "run")
        at = str(place.base / "home" / "s")
        log.event(RunStarted(name=name, process=place.victim, socket=at, levers=(LeverInfo("lr_scale", "number", 1.0),)))
        for step in range(1, 20):
            log.scalars(step, {"loss/train": 1 / step, "\x1b[2J\x1b]0;title\x07": 1.0}, wall_time=1e9 + step)
        if over:
            log.event(Ended(how="failed", step=19, reason="\x1b[2Jboom"))
            launch.event(Exited(code=1))
        log.close()
        launch.close()
        spec = load_spec("digits-mlp", ["steps=5"]).to_toml().replace('name = "mlp"', f'name = "{run}/model.py"')
        (run / "spec.toml").write_text(spec)
        for file in ("model.py", "script.py"):
            (run / file).write_text(code)
        (run / "steering.json").write_text(f"[{Planned(1, Command('stop', 'do'))!r}]")
        (run / "checkpoints").mkdir()
        (run / "checkpoints" / "last.pt").write_bytes(pickle.dumps(Pickled(marks / "pickle")))
        (run / "output.log").symlink_to(place.base / "home" / "secret")
        os.mkfifo(run / "events.out.tfevents.3.fifo")
        (run / "events.out.tfevents.4.zero").symlink_to("/dev/zero")
        (run / "events.out.tfevents.5.secret").symlink_to(place.base / "home" / "secret")
        (run / "events.out.tfevents.6.circle").symlink_to("events.out.tfevents.6.circle")
        (run / "events.out.tfevents.7.folder").mkdir()
        (run / "notes.json").symlink_to(place.base / "home" / "secret")
        (run / "up").symlink_to("..")
    for name in ("$(touch mark)", "`touch mark`", "\x1b[2J", "a;touch mark;"):
        (theirs / name).mkdir()
        (theirs / name / "events.out.tfevents.1.host").touch()


VERBS = [
    ("ls",), ("ls", "--json"), ("ls", "--names"), ("attach", "ended", "--headless"), ("attach", "ended", "--json"),
    ("dump", "ended"), ("dump", "ended", "--json"), ("dump", "live"), ("presets",), ("presets", "--json"), ("doctor",),
    ("completion", "bash"), ("completion", "zsh"), ("compare", "ended", "a;touch mark;"), ("compare", "ended", "--json"),
    ("diagnose", "ended"), ("diagnose", "ended", "--json"), ("plot", "ended"), ("export", "ended"),
    ("export", "ended", "--json"), ("plot", "ended", "--kind", "confusion"), ("note", "ended"), ("tag", "ended"),
    ("ls", "--sort", "run"), ("schema",), ("config",), ("--version",), ("--help",),
]  # fmt: skip
REFUSED = [
    ("stop", "live"), ("stop", "live", "--now"), ("set", "live", "lr_scale=0.5"), ("stop", "ended", "--now"), ("set", "live"),
    ("resume", "ended"), ("replay", "ended"), ("fork", "ended"), ("fork", "live"),
    ("run", "ended"), ("run", "./ended/spec.toml"), ("check", "ended"),
]  # fmt: skip


def test_looking_runs_nothing(place: Place) -> None:
    """Each verb that reads, one after the other; what it prints moves no cursor and shows nothing of the reader's."""
    for verb in VERBS:
        done = place.run(*verb)
        assert done.returncode in (0, 1), f"{verb}: {done.stderr}"
        assert "Traceback" not in done.stderr, f"{verb}: {done.stderr}"
        assert "\x1b" not in done.stdout and SECRET not in done.stdout + done.stderr, verb
        if verb[0] == "ls":
            assert "ended" in done.stdout and "live" in done.stdout, f"a link in a circle hides nothing: {done.stdout}"
        place.check_untouched()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give the folder to another user: run the tests as root")
def test_what_would_act_is_refused(place: Place) -> None:
    """In one line, and before anything is done."""
    for verb in REFUSED:
        done = place.run(*verb)
        assert done.returncode == 1 and done.stderr.startswith("tuimon: "), f"{verb}: {done}"
        assert "Traceback" not in done.stderr, f"{verb}: {done.stderr}"
        if verb[0] in ("resume", "replay", "run", "check") or verb == ("fork", "ended"):
            assert f"belongs to uid {MALLORY}" in done.stderr, f"{verb}: {done.stderr}"
        place.check_untouched()


def test_watching_a_run_that_its_log_calls_live_touches_nobody(place: Place) -> None:
    """Its process and its socket are the reader's own, and have nothing to do with it; leaving leaves them alone, too."""
    with subprocess.Popen(place.command("attach", "live", "--headless"), stdout=subprocess.PIPE, **place.options) as watching:  # type: ignore[call-overload]
        assert watching.stdout
        wait_until(lambda: b"step" in watching.stdout.readline())
        watching.send_signal(signal.SIGINT)
        assert watching.wait(60) == 130
    place.check_untouched()


@pytest.mark.parametrize("verb", [(), ("attach", "ended"), ("attach", "live"), ("compare", "ended", "live")], ids=" ".join)
def test_the_screen_runs_nothing(place: Place, verb: tuple[str, ...]) -> None:
    """Opened, and left with `q`; on a run's screen the console, too."""
    pid, master = pty.fork()
    if not pid:
        os.chdir(place.theirs)
        command = place.command(*verb)
        os.execvpe(command[0], command, place.options["env"])  # type: ignore[call-overload]
    os.set_blocking(master, False)
    shown = b""

    def shows(*texts: bytes) -> bool:
        nonlocal shown
        with suppress(BlockingIOError, OSError):  # nothing there yet; nothing more to come
            shown += os.read(master, 1 << 20)
        return all(text in shown for text in texts)

    try:
        wait_until(lambda: shows(b"ended") or shows(b"live"), 100, f"the screen shows the run: {verb}")
        os.write(master, b"9q")
        wait_until(lambda: shows() and os.waitpid(pid, os.WNOHANG)[0] == pid, 100, f"the screen has been left: {verb}")
        pid = 0
    finally:
        if pid:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        os.close(master)
    assert SECRET.encode() not in shown
    place.check_untouched()
