"""All `--json` outputs are lines of the one schema: decoded here strictly, from real runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from event_folders import FOLDERS
from launching import Runs
from tuimon.cli.main import main
from tuimon.launcher.runs.lines import SCHEMA, AnyLine, json_schema


def kinds(text: str) -> list[str]:
    """The kinds of all lines; each must have nothing but the schema's fields, of its types."""
    found = []
    for line in text.splitlines():
        decoded = msgspec.json.decode(line, type=AnyLine)
        assert decoded.schema == SCHEMA
        found.append(str(json.loads(line)["kind"]))
    return found


def tuimon(*arguments: str) -> str:
    """What the real command prints."""
    done = subprocess.run([sys.executable, "-m", "tuimon", *arguments], capture_output=True, text=True, timeout=100)
    assert "Traceback" not in done.stderr
    return done.stdout


def test_each_verb_prints_its_kinds(runs: Runs) -> None:
    """A real training, from its check to its comparison."""
    where = ("--runs-dir", str(runs.folder))
    assert set(kinds(tuimon("check", "digits-softmax", "--json"))) == {"check"}
    followed = kinds(tuimon("run", "digits-softmax", "epochs=1", "--name", "a", "--json", *where))
    assert {"metrics", "event", "end"} <= set(followed) and followed[-1] == "end"
    assert {"metrics", "histogram", "event"} <= set(kinds(tuimon("dump", "a", "--json", *where)))
    assert kinds(tuimon("ls", "--json", *where)) == ["run"]
    assert kinds(tuimon("compare", "a", "--json", *where)) == ["result"]
    assert set(kinds(tuimon("presets", "--json"))) == {"preset"}
    assert set(kinds(tuimon("diagnose", "a", "--json", *where))) <= {"diagnosis"}
    assert set(kinds(tuimon("diagnose", "--rules", "--json"))) == {"rule"}


@pytest.mark.parametrize("fill", FOLDERS, ids=lambda fill: fill.__name__)
def test_logs_of_others_keep_to_the_schema(tmp_path: Path, fill: object, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever tags, values and clocks are in them."""
    fill(tmp_path / "r")  # type: ignore[operator]
    for words in (["dump", "r"], ["ls"], ["attach", "r"]):
        main([*words, "--json", "--runs-dir", str(tmp_path)])
        assert set(kinds(capsys.readouterr().out)) <= {"metrics", "histogram", "text", "run", "event", "finding", "end"}


def test_the_schema_is_printed_and_the_page_names_all_kinds(capsys: pytest.CaptureFixture[str]) -> None:
    """For programs, and for people."""
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(msgspec.json.encode(json_schema()))
    page = (Path(__file__).parents[2] / "docs" / "json.md").read_text()
    assert all(f"| `{kind}` |" in page for kind in json_schema()["discriminator"]["mapping"])
    assert f"version of this page: {SCHEMA}." in page
