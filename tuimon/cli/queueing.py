"""The verb `queue`: lists the user's runs on this machine, waiting and training, and changes the order of those that wait."""

from __future__ import annotations

import argparse
from pathlib import Path

from tuimon.base.errors import TuimonError
from tuimon.base.format import gib
from tuimon.base.plain import one_line
from tuimon.cli.tables import print_lines, print_table
from tuimon.launcher.places.queue import Queue, Ticket, no_queue
from tuimon.launcher.runs.lines import QueueLine
from tuimon.launcher.runs.runs import find_run, runs_dir
from tuimon.search.study_file import is_study


def queue(options: argparse.Namespace) -> int:
    """Moves a run, if one is named, and prints the queue."""
    if options.run is None and (options.first or options.last):
        raise TuimonError("Name the run to move.", "`tuimon queue` lists them.")
    if options.run is not None:
        _move(find_run(options.run, runs_dir(options.runs_dir)), options)
    tickets = sorted(Queue().tickets(), key=lambda ticket: ticket.waits)
    if options.json:
        return print_lines([_line(ticket, place) for ticket, place in _placed(tickets)])
    if not tickets:
        print("nothing waits or trains on this machine")
        return 0
    rows = [(_place(place), one_line(_name(ticket)), _devices(ticket), _memory(ticket)) for ticket, place in _placed(tickets)]
    return print_table([("QUEUE", "RUN", "DEVICE", "MEMORY"), *rows])


def _move(run: Path, options: argparse.Namespace) -> None:
    if not (options.first or options.last):
        raise TuimonError(f"Say where to move {run.name}.", f"tuimon queue {run.name} --first")
    try:
        moved = Queue().move(run, options.first)
    except OSError as error:
        raise no_queue(error) from error
    if not moved:
        raise TuimonError(f"{run.name} does not wait in the queue.", "`tuimon queue` lists the runs that do.")


def _placed(tickets: list[Ticket]) -> list[tuple[Ticket, int | None]]:
    """The tickets, those that train first, each with its place if it waits."""
    training = sum(not ticket.waits for ticket in tickets)
    return [(ticket, i + 1 - training if ticket.waits else None) for i, ticket in enumerate(tickets)]


def _line(ticket: Ticket, place: int | None) -> QueueLine:
    memory = ticket.memory_bytes or None
    return QueueLine(run=_name(ticket), path=ticket.run, place=place, devices=ticket.devices, memory_bytes=memory)


def _name(ticket: Ticket) -> str:
    """Its folder's name; of a study's trial, with the study's."""
    run = Path(ticket.run)
    return f"{run.parent.name}/{run.name}" if is_study(run.parent) else run.name


def _place(place: int | None) -> str:
    return "trains" if place is None else str(place)


def _devices(ticket: Ticket) -> str:
    return (" or " if ticket.waits else " ").join(ticket.devices) or "any"


def _memory(ticket: Ticket) -> str:
    return gib(ticket.memory_bytes) if ticket.memory_bytes else ""
