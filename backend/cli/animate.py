"""The commands `animate` and `merge`: clips made from layouts."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..job import Animation, UserError, check_value, resolved, sole_writer
from .options import add_settings, given

if TYPE_CHECKING:
    from ..job import Layout
    from ..templates import Templates


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `animate`, which has a subcommand for each kind."""
    kinds = parser.add_subparsers(required=True, metavar="KIND", dest="kind")
    move = kinds.add_parser("transition", help="stamps move from one layout to the next")
    move.add_argument("layouts", type=Path, nargs="+", metavar="DIR", help="folders that fit wrote, two or more")
    grow = kinds.add_parser("growth", help="a picture appears stamp by stamp")
    grow.add_argument("layouts", type=Path, nargs=1, metavar="DIR", help="folder that fit wrote")
    fitted = kinds.add_parser("recording", help="the progress of a fit that was made with --record")
    fitted.add_argument("layouts", type=Path, nargs=1, metavar="DIR", help="folder that fit --record wrote")
    for kind in (move, grow, fitted):
        kind.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the clip's layout")
        add_settings(kind, Animation, without=() if kind is grow else ("order", "overlap"))
        kind.add_argument("--render", action="store_true", help="Also render the frames")
    parser.set_defaults(run=animate)


def animate(args: argparse.Namespace) -> int:
    """Makes a clip from still layouts. Raises UserError for layouts that do not match."""
    settings = given(args, Animation)
    for name, value in settings.items():
        check_value(Animation, name, value, f"--{name}")
    animation = Animation(**settings)
    _check_out(args)
    from ..runs.memory import LAYOUT, memory_errors_named

    with memory_errors_named(LAYOUT):
        layout, templates = _animated(args, animation)
        _write(layout, templates, args)
    return 0


def _animated(args: argparse.Namespace, animation: Animation) -> tuple[Layout, Templates]:
    from ..layouts.animate import growth, retimed, transition
    from ..layouts.result_folder import load_recording, load_result

    results = [load_result(folder) for folder in args.layouts]
    templates = results[0][1]
    if args.kind == "growth":
        return growth(results[0][0], animation), templates
    if args.kind == "recording":
        return retimed(load_recording(args.layouts[0]), animation), templates
    if len(results) < 2:
        raise UserError("A transition needs at least two layouts: name another one")
    return transition([one for one, _ in results], templates, animation), templates


def _write(layout: Layout, templates: Templates, args: argparse.Namespace) -> None:
    """Writes the clip's folder, with its frames if requested."""
    from ..layouts.rendering import render_layout
    from ..layouts.result_folder import ResultFolder

    with sole_writer(resolved(args.out), "clip"):
        folder = ResultFolder(args.out, templates)
        folder.save(layout)
        if args.render:
            opaque = slice(None) if layout.transparent else slice(3)
            pictures = (
                (number, render_layout(layout, templates, frame=index, transparent=layout.transparent)[opaque])
                for index, number in enumerate(layout.frames)
            )
            folder.finish_clip(pictures, lambda: {"count": layout.count})


def _check_out(args: argparse.Namespace) -> None:
    if resolved(args.out) in map(resolved, args.layouts):
        raise UserError(f"{args.out} is one of the layouts, which the clip would replace: choose another folder")


def add_merge_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("layouts", type=Path, nargs="+", metavar="DIR", help="parts of a clip, in order")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the whole clip's layout")
    parser.add_argument("--render", action="store_true", help="Also render the frames")
    parser.set_defaults(run=merge)


def merge(args: argparse.Namespace) -> int:
    """Merges parts of a clip. Raises UserError for parts that do not match."""
    _check_out(args)
    from ..layouts.merge import merged_folders
    from ..runs.memory import LAYOUT, memory_errors_named

    with memory_errors_named(LAYOUT):
        _write(*merged_folders(args.layouts), args)
    return 0
