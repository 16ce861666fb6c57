"""The command `render`: a layout becomes a picture."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..job import MAX_WIDTH, UserError, check_range
from .fit import ENGINE_NAMES, engine_name


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("layout", type=Path, metavar="DIR", help="folder that fit wrote")
    add("--out", type=Path, required=True, metavar="FILE.png")
    add("--width", type=int, metavar="PX", help="of the picture (the canvas's)")
    add("--frame", type=int, metavar="N", help="of a clip, by its number in the scene (the first one)")
    add("--supersample", type=int, default=1, metavar="N", help="N x N samples a pixel (1)")
    text = "leave the background out (as it is where fit did)"
    add("--transparent", action=argparse.BooleanOptionalAction, default=None, help=text)
    add("--engine", type=engine_name, metavar="NAME", default="auto", help=f"what computes: {ENGINE_NAMES} (auto)")
    add("--threads", type=int, default=0, metavar="N", help="0 = one per core (0)")
    parser.set_defaults(run=_render)


def _render(args: argparse.Namespace) -> int:
    check_range("--supersample", args.supersample, 1, 8)
    check_range("--threads", args.threads, 0, 1024)
    if args.width is not None:
        check_range("--width", args.width, 1, MAX_WIDTH)
    if args.out.suffix.lower() != ".png":
        raise UserError(f"{args.out} is not a .png: a picture is written as PNG only")
    from ..layouts.result_folder import load_result
    from ..pictures.images import save_png
    from ..rendering import render_layout
    from ..runs.memory import memory_errors_named

    with memory_errors_named():
        layout, templates = load_result(args.layout)
        transparent = layout.transparent if args.transparent is None else args.transparent
        if args.frame is not None and args.frame not in layout.frames:
            raise UserError(
                f"{args.layout} has no frame {args.frame}: it has {layout.frames[0]} to {layout.frames[-1]}"
            )
        picture = render_layout(
            layout,
            templates,
            frame=0 if args.frame is None else layout.frames.index(args.frame),
            width=args.width,
            supersample=args.supersample,
            transparent=transparent,
            engine=args.engine,
            threads=args.threads,
        )
    save_png(args.out, picture if transparent else picture[:3])
    return 0
