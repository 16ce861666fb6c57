"""What the backend and Blender tell each other while a job runs: one JSON object a line."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

from .errors import UserError
from .schema import check_choice, from_dict

# --- what is said meanwhile: one JSON object a line ------------------------------------------------------------------


@dataclass
class Progress:
    step: int
    total: int
    loss: float
    psnr: float  # dB, of the latest preview
    seconds_left: float
    preview: str = ""  # path of a picture, "" = none yet
    frame: int | None = None  # of the scene, that is worked on; of clips, which have no loss as a whole


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
    out: str  # folder of the layout, or what was exported; "" = cancelled before there was any
    cancelled: bool = False
    remarks: list[str] = field(default_factory=list)  # what the user should know of it


Event = Progress | Exporting | Log | Error | Done
_EVENTS: dict[str, type[Event]] = {
    "progress": Progress,
    "exporting": Exporting,
    "log": Log,
    "error": Error,
    "done": Done,
}


def encode_event(event: Event) -> str:
    """The event as one line of JSON, without the line's end."""
    return json.dumps({"event": type(event).__name__.lower(), **asdict(event)})


def decode_event(line: str) -> Event:
    """The event that a line of JSON holds. Raises UserError if it holds none."""
    try:
        data = json.loads(line)
        kind = _EVENTS[data.pop("event")]
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise UserError(f"The backend said something that is not an event: {line[:200]!r}") from error
    return from_dict(kind, data, "event")


COMMANDS = ("fit", "export", "pause", "continue", "cancel", "quit")


@dataclass
class Command:
    """A line that the worker is told. job: folder of fit and export. out: a folder of fit, the file of export."""

    command: str
    job: str = ""
    out: str = ""

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
