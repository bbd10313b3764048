"""Meters, levers, events, findings and the header."""

import json

import pytest

from driving import until
from tuimon.base.process import Process
from tuimon.log.records import (
    Applied,
    CheckpointSaved,
    Command,
    Ended,
    Exited,
    Finding,
    Gap,
    Launched,
    Notice,
    Refused,
    RunStarted,
    Spawned,
)
from tuimon.log.writer import LogWriter
from tuimon.viewer.widgets import EventList, FindingsPanel, GpuMeters, HostMeters, LeverPanel, RunHeader
from tuimon.viewer.widgets.wording import answer_text, describe

GIB = 2.0**30


async def test_gpu_meters(make_run, show):
    """Readings, processes with their users, and N/A with the reason for what the driver does not report."""
    run = make_run()
    readings = {
        "utilization_percent": 87.0,
        "memory_used_bytes": 12 * GIB,
        "memory_total_bytes": 141 * GIB,
        "temperature_c": 61.0,
    }
    run.writer.scalars(1, {f"system/gpu0/{name}": value for name, value in readings.items()})
    gpu = {"index": 0, "name": "NVIDIA H200", "missing": {"power_w": "not supported"}}
    gpu["processes"] = [{"pid": 42, "user": "ada", "memory_bytes": 11 * GIB}, {"pid": 43, "user": "", "memory_bytes": None}]
    run.writer.text(1, "tuimon/gpu", json.dumps({"reason": "", "gpus": [gpu]}))
    async with show(meters := GpuMeters(), 60, 10) as shown:
        meters.update_from(run.read())
        assert meters.border_title == "GPU 0 · NVIDIA H200"
        text = shown.text()
        assert "87 %" in text and "12/141 G" in text and "61 °C" in text
        assert "pid 42  ada  11 G" in text and "pid 43" in text
        assert "power N/A" in text and "power w: N/A (not supported)" in text


async def test_no_gpu_says_why(make_run, show):
    """The driver's reason is shown."""
    run = make_run()
    async with show(meters := GpuMeters(), 60, 6) as shown:
        assert "No GPU readings yet" in shown.text()
        run.writer.text(1, "tuimon/gpu", json.dumps({"reason": "no NVIDIA driver", "gpus": []}))
        meters.update_from(run.read())
        assert "No GPU meters: no NVIDIA driver" in shown.text()


async def test_host_meters(make_run, show):
    """CPU, memory and process, on two rows if there is no room for three."""
    run = make_run()
    async with show(meters := HostMeters(), 40, 3) as shown:
        assert "No host readings yet" in shown.text()
        host = {
            "system/host/cpu_percent": 31.0,
            "system/host/memory_used_bytes": 8 * GIB,
            "system/host/memory_total_bytes": 24 * GIB,
        }
        run.writer.scalars(1, {**host, "system/process/cpu_percent": 104.0, "system/process/memory_bytes": 2.1 * GIB})
        meters.update_from(run.read())
        assert shown.lines()[0].endswith("31 %") and shown.lines()[1].endswith("8.0/24 G")
        assert "104 %  2.1 G" in shown.lines()[2]
        await shown.pilot.resize_terminal(40, 2)
        await shown.pilot.pause()
        assert "8.0/24 G" in shown.lines()[1] and "104 %" in shown.lines()[1]


async def test_meters_of_a_run_that_is_over_say_so(make_run, show):
    """100 % CPU is not the current load; without a GPU there is no last reading."""
    run = make_run()
    run.writer.scalars(1, {"system/host/cpu_percent": 100.0, "system/gpu0/utilization_percent": 90.0})
    for meters, title in ((HostMeters(), "host"), (GpuMeters(), "GPU 0")):
        async with show(meters, 40, 3):
            meters.update_from(run.read())
            meters.measure(False)
            assert meters.border_title == f"{title} · last reading"
            meters.measure(True)
            assert meters.border_title == title
    async with show(meters := GpuMeters(), 40, 3):
        meters.measure(False)
        assert meters.border_title == "GPU"


async def test_levers_are_requested_until_the_log_answers(run, show):
    """Then applied at a step, refused with the reason, or never sent."""
    async with show(panel := LeverPanel(), 80, 8) as shown:
        assert "No levers yet" in shown.text()
        panel.update_from(run.read())
        panel.requested(Command("lr_scale", "multiply", 0.5, id="1"))
        assert "½ requested" in shown.lines()[0]
        run.writer.event(Applied(12, "lr_scale", 1.0, 0.5, id="1"), 12)
        panel.update_from(run.read())
        assert "0.5" in shown.lines()[0] and "1 → 0.5 at step 12" in shown.lines()[0] and "requested" not in shown.text()
        panel.requested(Command("weight_decay", "set", 9.0, id="2"))
        run.writer.event(Refused(13, "weight_decay", 9.0, "above 1", id="2"), 13)
        panel.update_from(run.read())
        assert "refused: above 1" in shown.lines()[1]
        panel.requested(Command("paused", "on", id="3"))
        panel.failed("3", "the run is gone")
        assert "not sent: the run is gone" in shown.lines()[2]


async def test_a_narrow_panel_shows_what_became_of_commands(run, show):
    """The help is dropped first, then words of the result; the step or the reason stays visible."""
    async with show(panel := LeverPanel(), 31, 8) as shown:
        panel.update_from(run.read())
        assert shown.lines()[0].split() == ["lr_scale", "1"]
        panel.requested(Command("lr_scale", "multiply", 0.5, id="1"))
        assert "½ requested" in shown.lines()[0]
        run.writer.event(Applied(1200, "lr_scale", 1.0, 0.5, id="1"), 1200)
        run.writer.event(Refused(1201, "weight_decay", 9.0, "above 1"), 1201)
        panel.update_from(run.read())
        assert "0.5 at 1 200" in shown.lines()[0]
        assert "0.01 refused: abo…" in shown.lines()[1]
        run.writer.event(Applied(1202, "checkpoint", note="checkpoints/step-1202.pt"), 1202)
        panel.update_from(run.read())
        assert "done at 1 202" in shown.lines()[4]


@pytest.mark.parametrize("width", [31, 80])
async def test_a_refusal_stands_beside_the_value_and_fades(run, show, monkeypatch, width):
    """The value did not change, and it is what users steer by."""
    monkeypatch.setattr("tuimon.viewer.widgets.lever_panel._REFUSED_FOR_S", 0.3)
    async with show(panel := LeverPanel(), width, 8) as shown:
        panel.update_from(run.read())
        run.writer.event(Refused(13, "weight_decay", 9.0, "above 1", id="2"), 13)
        panel.update_from(run.read())
        assert "0.01" in shown.lines()[1] and "refused: ab" in shown.lines()[1]
        await until(shown.pilot, lambda: "refused" not in shown.text())
        assert shown.lines()[1].split()[:2] == ["weight_decay", "0.01"]


async def test_a_refusal_ends_with_the_next_answer(run, show):
    """Whichever lever the answer is for; undo, which moves another lever, is answered, too."""
    async with show(panel := LeverPanel(), 80, 8) as shown:
        panel.update_from(run.read())
        run.writer.event(Refused(13, "weight_decay", 9.0, "above 1"), 13)
        panel.update_from(run.read())
        panel.requested(Command("checkpoint", "do", id="3"))
        assert "refused" in shown.text() and "requested" in shown.lines()[4]
        run.writer.event(Applied(14, "lr_scale", 1.0, 0.5, id="3"), 14)
        panel.update_from(run.read())
        assert "refused" not in shown.text() and "requested" not in shown.text()


async def test_refusals_of_the_past_are_not_told_again(run, show, monkeypatch):
    """Opening a run later shows the current values only."""
    run.writer.event(Refused(13, "weight_decay", 9.0, "above 1"), 13)
    monkeypatch.setattr("tuimon.viewer.widgets.lever_panel._REFUSED_FOR_S", 0.0)
    async with show(panel := LeverPanel(), 80, 8) as shown:
        panel.update_from(run.read())
        assert "0.01" in shown.lines()[1] and "refused" not in shown.text()


async def test_an_answer_to_an_earlier_command_does_not_end_a_later_one(run, show):
    """The later one still shows as requested."""
    async with show(panel := LeverPanel(), 80, 8) as shown:
        panel.update_from(run.read())
        panel.requested(Command("lr_scale", "multiply", 0.5, id="1"))
        panel.requested(Command("lr_scale", "multiply", 2.0, id="2"))
        run.writer.event(Applied(12, "lr_scale", 1.0, 0.5, id="1"), 12)
        panel.update_from(run.read())
        assert "×2 requested" in shown.lines()[0]


async def test_the_lever_under_the_cursor_tells_what_it_does(run, show):
    """In the border, if the row has no room; not while another panel has the focus."""
    async with show(panel := LeverPanel(), 31, 8) as shown:
        panel.update_from(run.read())
        assert panel.border_subtitle == "times the learning rate"
        await shown.press("end")
        assert panel.border_subtitle == "save now"
        panel.blur()
        await shown.pilot.pause()
        assert not panel.border_subtitle


async def test_a_lever_that_is_off_says_off(run, show):
    """And shows the value that it keeps."""
    run.writer.event(Applied(5, "weight_decay", 0.01, 0.01, True, False), 5)
    async with show(panel := LeverPanel(), 80, 8) as shown:
        panel.update_from(run.read())
        assert "off (0.01)" in shown.lines()[1]


async def test_keys_and_clicks_move_levers(run, show):
    """Each sends its command."""
    async with show(panel := LeverPanel(), 80, 8) as shown:
        panel.update_from(run.read())
        await shown.press("less_than_sign", "greater_than_sign", "down", "space", "backspace", "end", "enter")
        await shown.pilot.click(LeverPanel, offset=(20, 2))
        await shown.pilot.pause()
        assert [message.command for message in shown.posted(LeverPanel.Asked)] == [
            Command("lr_scale", "multiply", 0.5),
            Command("lr_scale", "multiply", 2.0),
            Command("weight_decay", "toggle"),
            Command("weight_decay", "default"),
            Command("checkpoint", "do"),
            Command("paused", "toggle"),
        ]
        await shown.press("down", "enter")
        assert [message.lever.name for message in shown.posted(LeverPanel.EditAsked)] == ["activation"]


async def test_events_are_followed(make_run, show):
    """The latest are visible until the user scrolls up; the end follows again."""
    run = make_run()
    async with show(events := EventList(), 60, 5) as shown:
        assert "No events yet" in shown.text()
        for number in range(20):
            run.writer.event(Notice(f"notice {number}", step=number), number)
        events.update_from(run.read())
        assert "notice 19" in shown.lines()[-1]
        await shown.press("home")
        run.writer.event(Notice("late", "warning", 20), 20)
        events.update_from(run.read())
        assert "notice 0" in shown.lines()[0] and "late" not in shown.text()
        await shown.press("end")
        assert "! late" in shown.lines()[-1]


async def test_an_event_that_is_too_long_says_that_it_goes_on(make_run, show):
    """A cut word could read as another word."""
    run = make_run()
    run.writer.event(CheckpointSaved(100, "checkpoints/best.pt", "best"), 100)
    for ascii, mark in ((False, "…"), (True, "~")):
        async with show(events := EventList(), 40, 3, ascii=ascii) as shown:
            events.update_from(run.read())
            assert shown.lines()[0].endswith(f"saved best.pt, best {mark}")
            assert len(shown.lines()[0]) == 40


async def test_how_an_attempt_exited_is_its_last_line(make_run, show):
    """Its supervisor's file is read first, all of it."""
    run = make_run()
    launched = Launched("a", ("train",), "/", Process("h", "b", 1, 0.0))
    async with show(events := EventList(), 60, 12) as shown:
        for how, pid in (("stopped", 3), ("finished", 4)):
            supervisor = LogWriter(run.folder, "launch")
            for event in (launched, Spawned(Process("h", "b", 2, 0.0)), Exited(0)):
                supervisor.event(event)
            training = LogWriter(run.folder, "run")
            for event in (RunStarted("a", Process("h", "b", pid, 0.0)), Notice("hello"), Ended(how)):
                training.event(event)
            supervisor.close()
            training.close()
        events.update_from(run.read())
        lines = [" ".join(line.split()[1:]) for line in shown.lines() if line.strip()]
        assert lines == [
            *("launched a: train", "0 training started, pid 3", "0 hello", "0 stopped", "process ended with exit code 0"),
            *("launched a: train", "0 training started, pid 4", "0 hello", "0 finished", "process ended with exit code 0"),
        ]


async def test_what_the_supervisor_says_has_no_step(make_run, show):
    """The supervisor knows no steps: a process does not end at step 0."""
    run = make_run()
    run.writer.event(Notice("something"), 7)
    run.writer.event(Exited(0), 0)
    async with show(events := EventList(), 60, 3) as shown:
        events.update_from(run.read())
        assert shown.lines()[0].split()[1] == "7" and shown.lines()[1].split()[1] == "process"


async def test_a_run_that_says_anew_what_it_is_started_once(make_run, show):
    """Adding a lever or changing an activation repeats the start record; the event stays in its place."""
    run = make_run()
    async with show(events := EventList(), 60, 5) as shown:
        run.start()
        run.start()
        run.writer.event(Applied(10, "activation", "relu", "tanh"), 10)
        run.start()
        events.update_from(run.read())
        assert events.count() == 2 and "training started" in shown.lines()[0]


async def test_routine_checkpoints_share_a_line(make_run, show):
    """One line per reason, with a count and the latest step; any other event starts new lines."""
    run = make_run()
    async with show(events := EventList(), 70, 9) as shown:
        run.start()
        for epoch in (1, 2, 3):
            run.writer.event(CheckpointSaved(epoch * 10, "last.pt", "last"))
            run.writer.event(CheckpointSaved(epoch * 10, "best.pt", "best"))
        run.writer.event(CheckpointSaved(33, "step-33.pt", "asked"))
        run.writer.event(CheckpointSaved(40, "last.pt", "last"))
        events.update_from(run.read())
        lines = [" ".join(line.split()[1:]) for line in shown.lines() if line.strip()]
        assert lines[1:] == [
            "30 3 × saved last.pt, to resume from",
            "30 3 × saved best.pt, best so far",
            "33 saved step-33.pt, on request",
            "40 saved last.pt, to resume from",
        ]
        run.writer.event(CheckpointSaved(50, "last.pt", "last"))
        events.update_from(run.read())
        assert "50  2 × saved last.pt" in shown.text() and events.count() == 5


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (Launched("a", ("python", "-m", "x"), "/", Process("h", "b", 1, 0.0), spec={"preset": "p"}), "launched a: p"),
        (Launched("a", ("python", "-m", "x"), "/", Process("h", "b", 1, 0.0), words=("t.py", "-a")), "launched a: t.py -a"),
        (Launched("a", ("/bin/python", "x.py"), "/", Process("h", "b", 1, 0.0)), "launched a: python x.py"),
        (Applied(1, "lr_scale", 1.0, 0.5, by="ada"), "lr_scale 1 → 0.5, by ada"),
        (Applied(1, "l1", 0.1, 0.1, True, False), "l1 0.1 → off (0.1)"),
        (Applied(1, "checkpoint", note="step-1.pt"), "checkpoint done (step-1.pt)"),
        (Refused(1, "lr_scale", 9.0, "above 1"), "refused lr_scale 9: above 1"),
        (CheckpointSaved(1, "checkpoints/c.pt", "best"), "saved c.pt, best so far"),
        (Gap(3, "disk full"), "! 3 records lost (disk full)"),
        (Ended("failed", "boom"), "failed: boom"),
        (Exited(signal=9), "killed by SIGKILL"),
        (Exited(signal=9, out_of_memory=True), "killed: the machine ran out of memory"),
        (Exited(reason="no such file"), "could not be started: no such file"),
        (Exited(code=0), "process ended with exit code 0"),
        (Finding(1, "dead", "units died"), "! units died"),
    ],
)
def test_every_event_has_words(event, words):
    """Problems are marked in words, also in ASCII."""
    assert describe(event)[0] == words
    assert describe(event, ascii=True)[0].isascii()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            Applied(23437, "lr_scale", 1.0, 0.5, by="ada", note="lr 1 → 0.5"),
            "applied at step 23 437: lr_scale 1 → 0.5 (lr 1 → 0.5)",
        ),
        (Applied(3, "checkpoint", note="step-3.pt"), "applied at step 3: checkpoint done (step-3.pt)"),
        (Refused(23437, "lr_scale", -1.0, "above 0"), "refused at step 23 437: lr_scale -1: above 0"),
        (Refused(0, "lr_scale", 2.0, "it ended before"), "refused: lr_scale 2: it ended before"),
    ],
)
def test_an_answer_is_told_as_the_events_tell_it(answer, words):
    """With the step formatted as everywhere else, and in ASCII if needed."""
    assert answer_text(answer) == words
    assert answer_text(answer, ascii=True) == words.replace("→", "->")


async def test_a_finding_tells_its_step_once(make_run, show):
    """Before the text, unless the text contains it."""
    run = make_run()
    async with show(panel := FindingsPanel(), 60, 8) as shown:
        run.writer.event(Finding(8820, "non-finite-loss", "loss is nan since step 8820: restart", severity="critical"), 9000)
        run.writer.event(Finding(8820, "over", "over-fits"), 9000)
        panel.update_from(run.read())
        assert [line.rstrip() for line in shown.lines()[:2]] == [
            "!! loss is nan since step 8 820: restart",
            "! step 8 820: over-fits",
        ]


async def test_findings_offer_their_remedy(make_run, show):
    """The most severe comes first; enter asks for the page of the one under the cursor, also once the run is over."""
    run = make_run()
    async with show(panel := FindingsPanel(), 60, 8) as shown:
        assert "No problems found" in shown.text() and panel.first is None
        old = Finding(100, "slow", "the loss does not fall", severity="hint")
        new = Finding(200, "dead", "fc2: 16 % of units dead", "fc2", remedy={"lr_scale": 0.5})
        run.writer.event(old, 100)
        run.writer.event(new, 200)
        panel.update_from(run.read())
        assert shown.lines()[0].startswith("! step 200: fc2: 16 % of units dead")
        assert "lr_scale → 0.5" in shown.lines()[1] and shown.lines()[2].startswith("i step 100")
        assert panel.first == new
        await shown.press("enter", "end", "enter")
        assert [message.finding for message in shown.posted(FindingsPanel.Opened)] == [new, old]
        panel.offer(False)
        await shown.press("home", "enter")
        assert "lr_scale" not in shown.text() and len(shown.posted(FindingsPanel.Opened)) == 3


async def test_the_header_says_what_and_how_far(make_run, show):
    """On one line if it fits, else on two; the state is a sign and a word."""
    run = make_run()
    async with show(header := RunHeader(), 140, 5) as shown:
        assert "no run yet" in shown.text()
        run.start()
        run.train(1, 120)
        run.writer.event(Applied(100, "lr_scale", 1.0, 0.5), 100)
        header.update_from(run.read())
        header.set_state("running")
        line = shown.lines()[0]
        for words in ("digits-mlp · mlp · adam", "● running", "epoch 4/10", "step 120/400", "100 it/s", "ETA 0:03", "(½)"):
            assert words in line
        await shown.pilot.resize_terminal(70, 5)
        await shown.pilot.pause()
        assert len(shown.lines()) == 2
        assert "digits-mlp" in shown.lines()[0] and "running" in shown.lines()[0] and "step 120/400" in shown.lines()[1]
        await shown.pilot.resize_terminal(32, 5)
        await shown.pilot.pause()
        assert shown.lines()[0].rstrip().endswith("● running") and "lr" not in shown.lines()[0]


async def test_the_speed_is_that_of_many_steps(make_run, show):
    """One step in fifty that waits for validation halves the speed, and the ETA reflects that."""
    run = make_run()
    run.start()
    for step in range(1, 201):
        run.writer.scalars(step, {"throughput": 2.0 if step % 50 == 0 else 100.0})
    async with show(header := RunHeader(), 140, 5) as shown:
        header.set_state("running")
        header.update_from(run.read())
        assert "50.5 it/s  ETA 0:04" in shown.text()


@pytest.mark.parametrize(
    ("moves", "shown_as"),
    [
        ([], "lr 0.00100  "),
        ([Applied(40, "lr_scale", 1.0, 0.5)], "lr 5.0e-4 (½)"),
        ([Applied(20, "lr_scale", 1.0, 0.5)], "lr 0.00100 (½)"),
        ([Applied(40, "lr_scale", 1.0, 0.5), Applied(40, "lr_scale", 0.5, 0.25)], "lr 2.5e-4 (¼)"),
        ([Applied(20, "lr_scale", 1.0, 0.25), Applied(30, "lr_scale", 0.25, 0.25, True, False)], "lr 0.00100  "),
        ([Applied(20, "lr_scale", 1.0, 0.0), Applied(40, "lr_scale", 0.0, 0.5)], "lr 0.00100  "),
    ],
)
async def test_the_header_shows_the_learning_rate_with_its_own_factor(run, show, moves, shown_as):
    """A change since the last logged rate counts; a lever that is off does not."""
    run.train(1, 40)
    for applied in moves:
        run.writer.event(applied, applied.step)
    run.writer.event(Notice("end of the moves"), 40)
    async with show(header := RunHeader(), 140, 1) as shown:
        header.update_from(run.read())
        assert shown_as in shown.lines()[0] + "  "


async def test_the_header_of_a_paused_run_tells_no_speed(run, show):
    """The last logged speed no longer holds."""
    run.train(1, 40)
    async with show(header := RunHeader(), 140, 1) as shown:
        header.update_from(run.read())
        header.set_state("paused")
        assert "step 40/400" in shown.text() and "it/s" not in shown.text()
        header.set_state("running")
        assert "100 it/s" in shown.text()


async def test_the_header_of_a_run_that_is_over_tells_how_long_it_took(make_run, show):
    """The last logged speed no longer holds."""
    run = make_run()
    for step in range(1, 41):
        run.writer.scalars(step, {"throughput": 1.0}, 1e9 + step * 2)
    async with show(header := RunHeader(), 140, 1) as shown:
        header.update_from(run.read())
        header.set_state("running")
        assert "step 40  1 it/s" in shown.text()
        header.set_state("stopped")
        assert "step 40  after 1:18" in shown.text() and "it/s" not in shown.text()


async def test_no_panel_leaves_ascii(run, show):
    """With `ascii_only`, no widget shows a character beyond ASCII."""
    run.train(1, 40)
    run.sample(40)
    run.writer.event(Applied(30, "lr_scale", 1.0, 0.5, note="lr 1 → 0.5"), 30)
    run.writer.event(Finding(40, "dead", "dead", remedy={"lr_scale": 0.5}), 40)
    store = run.read()
    for kind in (GpuMeters, HostMeters, LeverPanel, EventList, FindingsPanel, RunHeader):
        async with show(widget := kind(), 70, 6, ascii=True) as shown:
            widget.update_from(store)
            assert shown.text().isascii(), kind
