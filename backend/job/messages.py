"""Messages between the backend and Blender while a job runs: one JSON object a line."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import get_args

from .errors import UserError
from .schema import check_choice, from_dict


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


@dataclass
class Error:
    message: str
    action: str = ""


@dataclass
class Done:
    out: str  # folder of the layout, or the exported file; "" = cancelled before there was one
    cancelled: bool = False
    remarks: list[str] = field(default_factory=list)  # notes for the user


Event = Progress | Exporting | Log | Error | Done
_EVENTS: dict[str, type[Event]] = {kind.__name__.lower(): kind for kind in get_args(Event)}


def encode_event(event: Event) -> str:
    """Returns the event as one line of JSON, without the newline."""
    return json.dumps({"event": type(event).__name__.lower(), **asdict(event)})


def decode_event(line: str) -> Event:
    """Returns the event in a line of JSON. Raises UserError if there is none."""
    try:
        data = json.loads(line)
        kind = _EVENTS[data.pop("event")]
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise UserError(f"The backend sent something that is not an event: {line[:200]!r}") from error
    return from_dict(kind, data, "event")


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
    def decode(cls, line: str) -> Command:
        try:
            data = json.loads(line)
        except ValueError as error:
            raise UserError(f"Not a command: {line[:200]!r}") from error
        return from_dict(cls, data, "command")
