"""The command `render`: draws a layout as a picture."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..job import ExportSettings, UserError, check_value, quoted, sweep
from .options import add_setting, given

_SETTINGS = ("width", "supersample", "transparent", "engine", "threads")
"""Settings of an export that also apply to a rendered picture."""


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("layout", type=Path, metavar="DIR", help="folder that fit wrote")
    add("--out", type=Path, required=True, metavar="FILE.png")
    add("--frame", type=int, metavar="N", help="frame of a clip, by its number in the scene (the first one)")
    for name in _SETTINGS:
        add_setting(parser, ExportSettings, name)
    parser.set_defaults(run=_render)


def _render(args: argparse.Namespace) -> int:
    chosen = given(args, ExportSettings)
    for name, value in chosen.items():
        check_value(ExportSettings, name, value, f"--{name}")
    if args.out.suffix.lower() != ".png":
        raise UserError(f"{args.out} is not a .png: choose a name with this extension")
    from ..layouts.rendering import picture_height, render_strips
    from ..layouts.result_folder import load_result
    from ..pictures.images import save_strips
    from ..runs.memory import LAYOUT, memory_errors_named

    with memory_errors_named(LAYOUT):
        layout, templates = load_result(args.layout)
    with memory_errors_named():
        transparent = chosen.setdefault("transparent", layout.transparent)
        if args.frame is not None and args.frame not in layout.frames:
            raise UserError(
                f"{args.layout} has no frame {quoted(args.frame)}: it has {layout.frames[0]} to {layout.frames[-1]}"
            )
        frame = 0 if args.frame is None else layout.frames.index(args.frame)
        strips = render_strips(layout, templates, frame=frame, **chosen)
        width = chosen.get("width") or layout.width
        sweep(args.out.parent)
        save_strips(args.out, width, picture_height(layout, width), 4 if transparent else 3, strips)
    return 0
