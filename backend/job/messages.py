"""Messages between the backend and Blender while a job runs: one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import get_args

from .errors import UserError, plain, quoted
from .schema import check_choice, check_range, from_dict, parse_json

MOST_LINE = 1 << 20
"""Greatest length of a line, bytes."""


def bounded_lines(read: Callable[[int], bytes | None]) -> Iterator[bytes]:
    """Yields the lines of a stream, without the line break and without empty ones, until its end.

    read: returns up to so many bytes as soon as there are any; none = the end. No more than MOST_LINE + 1 bytes of a
    line are kept, so that a decoder sees that it is too long.
    """
    line = bytearray()
    while chunk := read(1 << 16):
        first, *others = chunk.split(b"\n")
        line += first[: MOST_LINE + 1 - len(line)]
        for other in others:
            if line.strip():
                yield bytes(line)
            line = bytearray(other)
    if line.strip():
        yield bytes(line)


@dataclass
class Progress:
    step: int
    total: int
    loss: float
    psnr: float  # dB, of the latest preview
    seconds_left: float
    preview: str = ""  # path of a picture, "" = none yet
    frame: int | None = None  # the scene's frame that is being fitted; only for clips, which have no loss as a whole


@dataclass
class Exporting:
    done: int  # of total: layers, rows or frames
    total: int


@dataclass
class Log:
    text: str

    def __post_init__(self) -> None:
        self.text = plain(self.text)


@dataclass
class Error:
    message: str
    action: str = ""

    def __post_init__(self) -> None:
        self.message = plain(self.message)


@dataclass
class Done:
    out: str  # folder of the layout, or the exported file; "" = cancelled before there was one
    cancelled: bool = False
    remarks: list[str] = field(default_factory=list)  # notes for the user

    def __post_init__(self) -> None:
        self.remarks = [plain(remark) for remark in self.remarks]


Event = Progress | Exporting | Log | Error | Done
_EVENTS: dict[str, type[Event]] = {kind.__name__.lower(): kind for kind in get_args(Event)}


def encode_event(event: Event) -> str:
    """Returns the event as one line of JSON, without the newline."""
    return json.dumps({"event": type(event).__name__.lower(), **asdict(event)})


def decode_event(line: str | bytes) -> Event:
    """Returns the event in a line of JSON. Raises UserError if there is none."""
    data = parse_json(line, "A line of the backend", MOST_LINE)
    name = data.pop("event", None) if isinstance(data, dict) else None
    if not isinstance(name, str) or name not in _EVENTS:
        raise UserError(f"The backend sent something that is not an event: {quoted(data)}")
    event: Event = from_dict(_EVENTS[name], data, "event")
    if isinstance(event, (Progress, Exporting)):
        done = event.step if isinstance(event, Progress) else event.done
        check_range("event: total", event.total, 1, _MOST_STEPS)
        check_range("event: what is done", done, 0, _MOST_STEPS)
    return event


_MOST_STEPS = 2**31 - 1  # of a number in Blender

COMMANDS = ("fit", "export", "pause", "continue", "cancel", "quit")


@dataclass
class Command:
    """A command to the worker. job: the folder of a fit or export. out: the folder of a fit, the file of an export.

    outside: the job is the sender's own, and may name files anywhere.
    """

    command: str
    job: str = ""
    out: str = ""
    outside: bool = False

    def __post_init__(self) -> None:
        check_choice("command", self.command, COMMANDS)

    def encode(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def decode(cls, line: str | bytes) -> Command:
        """Returns the command in a line of JSON. Raises UserError if there is none."""
        return from_dict(cls, parse_json(line, "A command", MOST_LINE), "command")
