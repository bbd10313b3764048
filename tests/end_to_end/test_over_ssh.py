"""Over a real SSH connection: the screen opens, the connection breaks, the viewer ends and the run continues."""

from __future__ import annotations

import contextlib
import getpass
import os
import pty
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from conftest import wait_until
from launching import Runs, runs_in
from tuimon.launcher.runs.glance import glance
from tuimon.launcher.runs.status import Status
from tuimon.launcher.runs.summary import summarize

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
pytestmark = [
    pytest.mark.skipif(
        SSHD is None or shutil.which("ssh") is None, reason="OpenSSH's server and client are not both installed"
    ),
    pytest.mark.xdist_group("terminal"),
]
CHECKOUT = Path(__file__).parents[2]
SLOW_S = 60.0


class Server:
    """A separate sshd on a loopback port that accepts one key."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
        (folder / "authorized").write_bytes((folder / "user.pub").read_bytes())
        self.port = free_port()
        options = {
            "Port": self.port, "ListenAddress": "127.0.0.1", "HostKey": folder / "host", "PidFile": "none", "UsePAM": "no",
            "AuthorizedKeysFile": folder / "authorized", "StrictModes": "no", "PermitRootLogin": "prohibit-password",
            "SetEnv": f'PATH={Path(sys.executable).parent}:/usr/bin:/bin PYTHONPATH={CHECKOUT}',
        }  # fmt: skip
        (folder / "config").write_text("".join(f"{key} {value}\n" for key, value in options.items()))
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # its privilege separation folder
        assert SSHD
        self._log = open(folder / "log", "wb")  # noqa: SIM115
        self.process = subprocess.Popen([SSHD, "-D", "-e", "-f", str(folder / "config")], stderr=self._log)
        wait_until(self._listens, SLOW_S, "sshd listens")

    def ssh(self, command: str) -> list[str]:
        """The client's command line that runs a shell command with a terminal."""
        options = (
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "LogLevel=ERROR",
            f"IdentityFile={self._folder}/user",
        )
        chosen = [part for option in options for part in ("-o", option)]
        return ["ssh", "-F", "/dev/null", "-tt", *chosen, "-p", str(self.port), f"{getpass.getuser()}@127.0.0.1", command]

    def log(self) -> str:
        """The server's log."""
        return (self._folder / "log").read_text()

    def close(self) -> None:
        """Ends the server and all its connections."""
        family = [*psutil.Process(self.process.pid).children(recursive=True), self.process]
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait()
        self._log.close()

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class Client:
    """An ssh client in a pseudo-terminal, and everything it received."""

    def __init__(self, command: list[str]) -> None:
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.execvp(command[0], command)
        self.seen = b""
        threading.Thread(target=self._read, daemon=True).start()

    def press(self, keys: str) -> None:
        """Types."""
        os.write(self._fd, keys.encode())

    def kill(self) -> None:
        """Breaks the connection."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while data := os.read(self._fd, 65536):
                self.seen += data


def free_port() -> int:
    """A free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runs]:
    """A folder of runs; all its processes end with the test."""
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
    yield from runs_in(tmp_path / "runs")


@pytest.fixture
def server() -> Iterator[Server]:
    """A running sshd."""
    with tempfile.TemporaryDirectory(prefix="tuimon-ssh-") as folder:
        running = Server(Path(folder))
        yield running
        running.close()


def viewers(run: str) -> list[psutil.Process]:
    """Processes that show a run."""
    return [p for p in psutil.process_iter(["cmdline"]) if ["attach", run] == (p.info["cmdline"] or [])[-2:]]


def test_a_broken_connection_ends_the_viewer_and_leaves_the_run(runs: Runs, server: Server) -> None:
    """Watched and steered over SSH; when the connection breaks, the viewer is gone and the run still trains."""
    name = f"far-{os.getpid()}"
    run = runs.start(name, "--steps", "100000", "--period", "0.01")
    environment = f"PYTHONPATH={CHECKOUT} TUIMON_RUNS={shlex.quote(str(runs.folder))} TERM=xterm-256color LC_ALL=C.UTF-8"
    client = Client(server.ssh(f"env {environment} {sys.executable} -m tuimon attach {name}"))
    try:
        wait_until(lambda: b"running" in client.seen, SLOW_S, "the run's screen over SSH")
        client.press("h")
        wait_until(lambda: glance(run).levers["lr_scale"].value == 0.5, SLOW_S, "the key's effect in the run")
        wait_until(lambda: "(½)".encode() in client.seen, SLOW_S, "the key's effect over SSH")
        assert len(viewers(name)) == 1
        client.kill()
        wait_until(lambda: not viewers(name), SLOW_S, "the viewer ends with its connection")
        step = summarize(run).step
        wait_until(lambda: summarize(run).step > step, SLOW_S, "the run trains on")
        assert summarize(run).status == Status("running")
    finally:
        client.kill()


def test_a_run_on_another_machine_is_as_one_started_there(tmp_path: Path, server: Server) -> None:
    """`--on user@host:FOLDER` calls the verb there: its words and files are that machine's, and the exit code is the run's."""
    there, tools = tmp_path / "a folder there", tmp_path / "tools"
    there.mkdir()
    tools.mkdir()
    (there / "train.py").write_text("import os, sys; print(sys.argv[1:], os.getcwd()); sys.exit(3)")
    *client, host, _ = server.ssh("")
    options = [word for word in client[1:] if word != "-tt"]
    (tools / "ssh").write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} {shlex.join(options)} "$@"\n')  # as ~/.ssh/config would
    (tools / "ssh").chmod(0o755)
    words = [sys.executable, "-m", "tuimon", "run", "--on", f"{host}:{there}", "--headless", "train.py", "--on", "x y"]
    path = f"{tools}:{os.environ.get('PATH', '')}"
    done = subprocess.run(words, capture_output=True, text=True, timeout=90, cwd=tmp_path, env=os.environ | {"PATH": path})
    assert done.returncode == 3, done.stderr + server.log()
    assert done.stdout == f"{['--on', 'x y']} {there}\n"
    assert [run.name for run in (there / "runs").iterdir()] == ["train-01"]
    assert not (tmp_path / "runs").exists()
