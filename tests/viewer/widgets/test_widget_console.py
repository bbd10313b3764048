"""The console: what a terminal would show of what was printed."""

import pytest

from tuimon.base.process import Process
from tuimon.log.records import Launched
from tuimon.viewer.widgets import ConsoleView
from tuimon.viewer.widgets.console_view import MAX_LINES, Terminal


def shown_by_terminal(*pieces: str) -> list[str]:
    terminal = Terminal()
    for piece in pieces:
        terminal.feed(piece)
    return [*terminal.lines, *([terminal.last] if terminal.last else [])]


@pytest.mark.parametrize(
    ("pieces", "lines"),
    [
        (["one\ntwo\n"], ["one", "two"]),
        (["on", "e\ntw", "o"], ["one", "two"]),
        (["10 %\r20 %\r100 %\ndone\n"], ["100 %", "done"]),
        (["10 %\r", "20 %"], ["20 %"]),
        (["windows\r\n"], ["windows"]),
        (["\x1b[31mred\x1b[0m \x1b]0;title\x07text\n"], ["red text"]),
        (["bell\x07 nul\x00 back\x08\n"], ["bell nul back"]),
        (["a\tb\n"], ["a       b"]),
    ],
)
def test_text_stands_as_a_terminal_leaves_it(pieces, lines):
    """Progress bars overwrite themselves, colours and control characters are removed, and pieces may end anywhere."""
    assert shown_by_terminal(*pieces) == lines


def test_memory_is_bounded():
    """By the number of lines, and by the length of an endless line."""
    terminal = Terminal()
    terminal.feed("x\n" * (MAX_LINES + 10))
    assert len(terminal.lines) == MAX_LINES
    for _ in range(100):
        terminal.feed("y" * 10_000)
    assert len(terminal.last) <= 2_000


async def test_the_file_is_followed(tmp_path, show):
    """Only new output is read; the file may not exist yet."""
    path = tmp_path / "output.log"
    async with show(console := ConsoleView(), 40, 4) as shown:
        console.open(path)
        assert "No output yet" in shown.text()
        path.write_text("".join(f"line {i}\n" for i in range(10)))
        console.poll()
        assert shown.lines()[-1].startswith("line 9")
        with path.open("a") as file:
            file.write("10 %\r")
            file.flush()
            console.poll()
            file.write("20 %")
            file.flush()
            console.poll()
        assert shown.lines()[-1].startswith("20 %") and "10 %" not in shown.text()


async def test_characters_cut_in_two_are_put_together(tmp_path, show):
    """A read may end in the middle of one; wide characters are cut by cells."""
    path = tmp_path / "output.log"
    path.write_bytes("schön ½ ".encode()[:5])
    async with show(console := ConsoleView(), 20, 3) as shown:
        console.open(path)
        with path.open("ab") as file:
            file.write("schön ½ ".encode()[5:] + "漢字".encode() * 20)
        console.poll()
        assert shown.lines()[0].startswith("schön ½ 漢字")
        assert console.render_line(0).cell_length == 20


async def test_a_large_file_is_shown_from_its_end(tmp_path, show):
    """Without reading all of it."""
    path = tmp_path / "output.log"
    path.write_text("".join(f"line {i}\n" for i in range(100_000)))
    async with show(console := ConsoleView(), 40, 4) as shown:
        console.open(path)
        assert shown.lines()[-1].startswith("line 99999")
        assert console.count() <= MAX_LINES


async def test_a_file_that_begins_anew_is_read_anew(tmp_path, show):
    """A file shorter than what was read has been replaced."""
    path = tmp_path / "output.log"
    path.write_text("old\nold\n")
    async with show(console := ConsoleView(), 40, 4) as shown:
        console.open(path)
        path.write_text("new\n")
        console.poll()
        assert shown.lines()[0].startswith("new") and "old" not in shown.text()


async def test_scrolling_up_stays_there(tmp_path, show):
    """New lines do not scroll the view back down; the mouse wheel scrolls, too."""
    path = tmp_path / "output.log"
    path.write_text("".join(f"line {i}\n" for i in range(50)))
    async with show(console := ConsoleView(), 40, 4) as shown:
        console.open(path)
        await shown.press("home")
        with path.open("a") as file:
            file.write("late\n")
        console.poll()
        assert shown.lines()[0].startswith("line 0 ")
        await shown.press("end")
        assert shown.lines()[-1].startswith("late")


async def test_another_run_has_another_console(tmp_path, show):
    """No line of the previous run is left."""
    for name in ("a", "b"):
        (tmp_path / name).write_text(f"this is {name}\n")
    async with show(console := ConsoleView(), 40, 4) as shown:
        console.open(tmp_path / "a")
        console.open(tmp_path / "b")
        assert "this is b" in shown.text() and "this is a" not in shown.text()


async def test_a_run_that_tuimon_did_not_start_prints_elsewhere(make_run, show):
    """The panel says that its output is not here; for a launched run, output may still come."""
    run = make_run()
    async with show(console := ConsoleView(), 60, 6) as shown:
        console.open(run.folder / "output.log")
        console.update_from(run.read())
        assert "No output yet" in shown.text()
        run.start()
        console.update_from(run.read())
        assert "prints to its own terminal" in shown.text() and "tuimon run" in shown.text()
        run.writer.event(Launched("run", ("python",), "/", Process("host", "boot", 1, 0.0)))
        console.update_from(run.read())
        assert "No output yet" in shown.text()
