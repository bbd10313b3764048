"""A training process without torch: the real log and station, and steps that do nothing.

python standin_trainer.py RUN_DIR [--steps N] [--period S] [--deaf] [--no-socket] [--fail]
"""

from __future__ import annotations

import argparse
import queue
import signal
import sys
import time
from pathlib import Path

from tuimon.base.process import this_process
from tuimon.log.records import Applied, Command, Ended, LeverInfo, Refused, RunStarted
from tuimon.log.writer import LogWriter
from tuimon.monitor.station.sockets import listen
from tuimon.monitor.station.station import Station

LEVERS = (LeverInfo("lr_scale", "number", 1.0, low=0.0), LeverInfo("paused", "switch", False), LeverInfo("stop", "action"))


def main() -> int:
    options = _options()
    log = LogWriter(options.run, "run")
    waiting: queue.SimpleQueue = queue.SimpleQueue()
    signals: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: None if options.deaf else signals.append(number))
    station, path = None, ""
    if not options.no_socket:
        listener, path = listen()
        station = Station(listener, path, options.run, lambda c, reply: waiting.put((c, reply)), lambda *error: print(error))
    log.event(
        RunStarted(
            name=options.run.name, process=this_process(), socket=str(path), socket_error="" if path else "told to have none",
            device="cpu", model="standin", optimizer="sgd", levers=LEVERS, total_steps=options.steps, steps_per_epoch=10,
        )
    )  # fmt: skip
    how = _train(options, log, waiting, signals)
    log.event(Ended(how=how, step=0, reason="it was told to fail" if how == "failed" else ""))
    if station:
        station.close()
    log.close()
    return {"finished": 0, "failed": 1, "stopped": 130}[how]


def _train(options: argparse.Namespace, log: LogWriter, waiting: queue.SimpleQueue, signals: list[int]) -> str:
    levers = {"lr_scale": 1.0, "paused": False}
    step = 0
    while step < options.steps and not signals:
        while not waiting.empty():
            command, reply = waiting.get()
            answer = _apply(command, levers, step)
            log.event(answer, step)
            reply(answer)
            if isinstance(answer, Applied) and command.lever == "stop":
                return "stopped"
        if not levers["paused"]:
            step += 1
            log.scalars(step, {"loss/train": 1 / step, "lr": 0.1 * levers["lr_scale"], "throughput": 100.0})
            if step % 10 == 0:
                log.scalars(step, {"loss/val": 2 / step, "accuracy/val": 0.5})
        time.sleep(options.period)
    if signals:
        return "stopped"
    if options.fail:
        print("boom: this is why")
        return "failed"
    return "finished"


def _apply(command: Command, levers: dict, step: int) -> Applied | Refused:
    told = {"lever": command.lever, "id": command.id, "by": command.by, "step": step}
    if command.lever == "stop":
        return Applied(**told)
    if command.lever not in levers:
        return Refused(**told, value=command.value, reason="there is no such lever")
    old = levers[command.lever]
    new = {"set": command.value, "multiply": old * (command.value or 0), "on": True, "off": False}[command.op]
    levers[command.lever] = new
    return Applied(**told, old=old, new=new)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--period", type=float, default=0.005)
    parser.add_argument("--deaf", action="store_true", help="no answer to SIGTERM")
    parser.add_argument("--no-socket", action="store_true")
    parser.add_argument("--fail", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
