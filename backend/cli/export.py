"""The command `export`: writes a layout as a file for other programs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..control import Control, termination_calls
from ..job import FORMATS, Done, Event, ExportSettings, settings_of
from .options import add_settings, frame_range, given


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("layout", type=Path, metavar="DIR", help="folder that fit wrote")
    text = f"x{', x'.join(filter(None, FORMATS))}; without a file extension, a folder of PNGs and their JSON"
    add("--out", type=Path, required=True, metavar="FILE", help=text)
    add("--frames", type=frame_range, metavar="A-B", help=settings_of(ExportSettings)["frames"].help)
    add_settings(parser, ExportSettings, without=("frames",))
    parser.set_defaults(run=_export)


def _export(args: argparse.Namespace) -> int:
    """Writes the files. Ctrl-C stops it and leaves existing files unchanged."""
    settings = ExportSettings(**given(args, ExportSettings))
    from ..runs.export import run_export
    from .console import Console

    console, control = Console(sys.stderr), Control()

    def emit(event: Event) -> None:
        console(event)
        if isinstance(event, Done):
            for remark in event.remarks:
                console.line(remark)

    with termination_calls(control.cancel):
        done = run_export(args.layout, args.out, settings, emit, control)
    console.line(str(args.out) if done else "Cancelled: nothing was written")
    return 0 if done else 1
