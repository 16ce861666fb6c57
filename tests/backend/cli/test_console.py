"""Progress for people."""

from __future__ import annotations

import io

from backend.cli.console import Console
from backend.job.messages import Log, Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_on_a_terminal() -> None:
    stream = Terminal()
    console = Console(stream)
    console(Log("Engine cpu"))
    console(Progress(5, 10, 0.5, 21.5, 3661.0))
    console(Progress(10, 10, 0.25, 22.5, 0.4))
    console.line("Done")
    first, rest = stream.getvalue().split("\r", 1)
    half, full = rest.split("\r")
    assert first == "Engine cpu\n"
    assert half.rstrip() == "[##########          ]  5/10  loss 0.5  21.50 dB  1 h 01 min left"
    assert full.split("\n")[0].rstrip() == "[####################] 10/10  loss 0.25  22.50 dB  0 s left"
    assert full.endswith("\nDone\n")


def test_a_line_now_and_then_in_a_log() -> None:
    stream = io.StringIO()
    console = Console(stream)
    for step in range(11):
        console(Progress(step, 10, 0.5, 21.5, 61.0))
    assert stream.getvalue().splitlines() == [
        " 0/10  loss 0.5  21.50 dB  1 min 01 s left",
        "10/10  loss 0.5  21.50 dB  1 min 01 s left",
    ]
