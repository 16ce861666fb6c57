"""The command `export`: its arguments, and what it does with them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..control import Control, termination_calls
from ..job import BITS, CLIP_FORMS, ENDINGS, GROUPINGS, MAX_LAYERS, Done, Event, ExportSettings
from .fit import ENGINE_NAMES, engine_name, frame_range


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    default = ExportSettings()
    add("layout", type=Path, metavar="DIR", help="folder that fit wrote")
    text = f"x{', x'.join(ENDINGS)}; without an ending, a folder of PNGs and their JSON"
    add("--out", type=Path, required=True, metavar="FILE", help=text)
    add("--width", type=int, metavar="PX", default=0, help="of the picture (the canvas's)")
    add("--frames", type=frame_range, metavar="A-B", help="of a clip, by their numbers in the scene (all)")
    text = "what a still format makes of a clip: its first frame, groups in a file, a file for each frame (first)"
    add("--clip", choices=CLIP_FORMS, default="first", help=text)
    text = "of layers: in bands of depth, by stamp, by region (depth)"
    add("--groups", choices=GROUPINGS, default=default.grouping, help=text)
    add("--band", type=int, metavar="N", default=default.band, help=f"layers in a band of depth ({default.band})")
    add("--background", action=argparse.BooleanOptionalAction, default=True, help="a layer in the canvas's colour")
    add("--overlay", action="store_true", help="tinted layers carry their colour as an effect, too")
    add("--most-layers", type=int, metavar="N", default=MAX_LAYERS, help=f"layers and groups ({MAX_LAYERS:,})")
    add("--flatten", action="store_true", help="merge the least visible layers where there would be more")
    text = "leave the background out of pictures (as it is where fit did)"
    add("--transparent", action=argparse.BooleanOptionalAction, default=None, help=text)
    add("--bits", type=int, choices=BITS, default=8, help="a channel of a PNG (8)")
    add("--supersample", type=int, metavar="N", default=1, help="N x N samples a pixel (1)")
    add("--fps", type=float, metavar="N", default=0.0, help="of what moves (the clip's)")
    add("--loops", type=int, metavar="N", default=0, help="of an animated picture (0 = for ever)")
    add("--quality", type=int, metavar="N", default=default.quality, help=f"of WebP and MP4 ({default.quality})")
    add("--resolution", type=float, metavar="PPI", default=default.resolution, help="pixels per inch (72)")
    add("--engine", type=engine_name, metavar="NAME", default="auto", help=f"what computes: {ENGINE_NAMES} (auto)")
    add("--threads", type=int, default=0, metavar="N", help="0 = one per core (0)")
    parser.set_defaults(run=_export)


def _export(args: argparse.Namespace) -> int:
    """Writes the files. Ctrl-C ends it, and leaves what was there before."""
    given = {name: value for name, value in vars(args).items() if name in ExportSettings.__dataclass_fields__}
    settings = ExportSettings(grouping=args.groups, **given)
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
