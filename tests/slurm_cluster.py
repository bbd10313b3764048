"""A real Slurm of one node on this machine, for tests: its own daemons on ports of its own, in a folder of its own.

The node has a host name of its own, so that its processes are on another machine for all who look at their logs. Needs root,
for Slurm's daemons and the name.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

_DAEMONS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "unshare")
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
NODE = "tuimon-node"
_CONF = """
ClusterName=tuimontest
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort={port}
SlurmdPort={slurmd_port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0
MpiDefault=none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
ReturnToService=2
KillWait=5
MailProg=/bin/true
NodeName={node} NodeHostname={node} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=open Nodes={node} Default=YES MaxTime=60 State=UP
PartitionName=closed Nodes={node} MaxTime=60 State=DOWN
"""


def why_not() -> str:
    """Why there can be no Slurm here, and what helps; empty if there can be one."""
    missing = [name for name in _DAEMONS if not shutil.which(name, path=_PATH)]
    if missing:
        return f"no {missing[0]}: apt-get install slurmctld slurmd munge"
    if importlib.util.find_spec("submitit") is None:
        return "no submitit: pip install submitit"
    if os.geteuid():
        return "Slurm's daemons need root: run the tests as root"
    if subprocess.run(["unshare", "--uts", "hostname", NODE], capture_output=True).returncode:
        return "the node cannot have a host name of its own: run the tests in a privileged container"
    return ""


def cluster_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The body of a fixture: starts the daemons, and ends them. Yields the folder with their logs."""
    if reason := why_not():
        pytest.skip(f"no Slurm here: {reason}")
    for name in ("state", "spool", "munge"):
        (folder / name).mkdir(parents=True)
    (folder / "munge").chmod(0o711)
    key = folder / "munge" / "key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    conf = folder / "slurm.conf"
    conf.write_text(
        _CONF.format(
            host=socket.gethostname(),
            folder=folder,
            node=NODE,
            port=_free_port(),
            slurmd_port=_free_port(),
            cpus=os.cpu_count(),
        )
    )
    monkeypatch.setenv("PATH", _PATH)
    monkeypatch.setenv("SLURM_CONF", str(conf))
    munge = ["munged", "--foreground", "--force", f"--key-file={key}", f"--socket={folder}/munge/socket"]
    munge += [f"--{name}-file={folder}/munge/{name}" for name in ("pid", "log", "seed")]
    commands = [
        munge,
        ["slurmctld", "-D"],
        ["unshare", "--uts", "sh", "-c", f"hostname {NODE} && exec slurmd -D -N {NODE}"],
    ]
    daemons = []
    try:
        for command in commands:
            with open(folder / f"{command[0]}.out", "wb") as output:
                daemons.append(subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL))
        _wait_for_node(folder)
        yield folder
        subprocess.run(["scancel", "--me"], capture_output=True, timeout=30)
        _wait_for_no_jobs()
    finally:
        for daemon in reversed(daemons):  # the node first: its jobs' ends have to be told
            daemon.terminate()
            try:
                daemon.wait(timeout=20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()


def _wait_for_node(folder: Path) -> None:
    deadline = time.monotonic() + 60
    while "idle" not in subprocess.run(["sinfo", "-h", "-p", "open", "-o", "%T"], capture_output=True, text=True).stdout:
        if time.monotonic() > deadline:
            logs = "\n".join(path.read_text(errors="replace")[-2000:] for path in folder.glob("*.log"))
            raise AssertionError(f"Slurm does not come up:\n{logs}")
        time.sleep(0.05)


def _wait_for_no_jobs() -> None:
    deadline = time.monotonic() + 30
    while subprocess.run(["squeue", "-h"], capture_output=True, text=True).stdout and time.monotonic() < deadline:
        time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
