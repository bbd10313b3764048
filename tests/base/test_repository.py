"""Whether a run was started with code that is in no commit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tuimon.base.process import this_process
from tuimon.base.repository import has_uncommitted_changes
from tuimon.log.reader import read_run
from tuimon.log.records import Launched, RunStarted
from tuimon.log.writer import LogWriter
from tuimon.viewer.about import about

WATCHED = """
import os, torch, tuimon
model = torch.nn.Linear(2, 1)
monitor = tuimon.watch(model, torch.optim.SGD(model.parameters(), lr=0.1), run_dir="a", meters=False, serve=False)
try:
    os.wait()
except ChildProcessError:
    print("no children")
monitor.close()
"""


def git(folder: Path, *words: str) -> None:
    """Runs git without the user's own settings."""
    named = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *named, *words], cwd=folder, check=True, capture_output=True)


def test_changes_to_tracked_files_count_and_others_do_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Changed, added to the index, or deleted, from any folder inside; nothing is known outside a repository."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    inside = tmp_path / "repo" / "src"
    inside.mkdir(parents=True)
    assert has_uncommitted_changes(tmp_path) is None and has_uncommitted_changes(tmp_path / "nowhere") is None
    git(tmp_path / "repo", "init", "-q")
    script = inside / "train.py"
    script.write_text("one")
    git(tmp_path / "repo", "add", ".")
    git(tmp_path / "repo", "commit", "-qm", "one")
    (inside / "notes.txt").write_text("untracked")
    assert has_uncommitted_changes(inside) is False
    script.write_text("two two")
    assert has_uncommitted_changes(inside) is True
    git(tmp_path / "repo", "add", ".")
    assert has_uncommitted_changes(inside) is True
    git(tmp_path / "repo", "commit", "-qm", "two")
    script.unlink()
    assert has_uncommitted_changes(tmp_path / "repo") is True


@pytest.mark.parametrize(
    ("uncommitted", "said"), [(True, ", with uncommitted changes"), (False, ", nothing uncommitted"), (None, "")]
)
def test_what_a_run_is_says_so_beside_the_commit(tmp_path: Path, uncommitted: bool | None, said: str) -> None:
    """Where nobody has looked, nothing is said."""
    launched = Launched("a", ("python",), "/", this_process(), uncommitted=uncommitted)
    started = RunStarted("a", this_process(), git_commit="f" * 40)
    alone = msgspec.structs.replace(started, uncommitted=uncommitted)
    for name, events in {"launched": (launched, started), "alone": (alone,)}.items():
        writer = LogWriter(tmp_path / name, "run")
        for event in events:
            writer.event(event)
        writer.close()
        facts = {fact.name: fact.value for section in about(tmp_path / name) for fact in section.facts}
        assert facts["git commit"] == "f" * 40 + said


def test_a_script_that_watches_itself_says_so_too(tmp_path: Path) -> None:
    """It has no supervisor that looks; no child of its own is left for it to wait for."""
    git(tmp_path, "init", "-q")
    script = tmp_path / "train.py"
    script.write_text(WATCHED)
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    script.write_text(WATCHED + "# changed\n")
    done = subprocess.run([sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.stdout == "no children\n", done.stderr
    (started,) = (record.event for record in read_run(tmp_path / "a").events if isinstance(record.event, RunStarted))
    assert started.uncommitted is True
