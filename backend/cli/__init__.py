"""The command line's arguments and what each command does with them.

Nothing heavy is imported before the arguments are known to be right.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

from ..bench import add_options as add_bench_options
from ..control import Control, termination_calls
from ..job import MAX_WIDTH, Done, Event, ExportSettings, UserError, check_range, check_value
from . import animate, export
from .fit import add_options, job_of
from .options import add_setting, given

_RENDER = ("width", "supersample", "transparent", "engine", "threads")
"""Settings of an export that a rendered picture has as well."""


def run(arguments: list[str] | None = None) -> int:
    """Runs a command line. Returns the exit status. Raises UserError for wrong arguments too."""
    args = _parser().parse_args(arguments)
    if args.folder is not None:
        try:
            os.chdir(args.folder)
        except OSError as error:
            raise UserError(f"{args.folder} is no folder to work in ({error.strerror}): name another") from error
    return int(args.run(args))


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message} (see {self.prog} --help)")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m backend", description="Makes pictures of bitmap stamps.")
    text = "what relative paths are relative to (where it runs)"
    parser.add_argument("--folder", type=Path, metavar="DIR", help=text)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    fit = commands.add_parser("fit", help="find the layout of stamps that looks like a target")
    add_options(fit)
    fit.set_defaults(run=_fit)
    worker = commands.add_parser("worker", help="serve jobs: commands on stdin, events on stdout, a JSON object a line")
    worker.set_defaults(run=_worker)
    _add_render(commands.add_parser("render", help="draw a layout, at any size"))
    export.add_options(commands.add_parser("export", help="write a layout as other programs' files"))
    animated = commands.add_parser("animate", help="make a clip of still layouts")
    animate.add_options(animated)
    animated.set_defaults(run=animate.animate)
    merge = commands.add_parser("merge", help="join parts of a clip that share a frame")
    animate.add_merge_options(merge)
    merge.set_defaults(run=animate.merge)
    doctor = commands.add_parser("doctor", help="list the engines and compare each with the reference")
    doctor.add_argument("--json", action="store_true", help="write JSON")
    doctor.set_defaults(run=_doctor)
    bench = commands.add_parser("bench", help="measure speed, or quality")
    add_bench_options(bench)
    bench.set_defaults(run=_bench)
    return parser


def _add_render(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("layout", type=Path, metavar="DIR", help="folder that fit wrote")
    add("--out", type=Path, required=True, metavar="FILE.png")
    add("--frame", type=int, metavar="N", help="of a clip, by its number in the scene (the first one)")
    for name in _RENDER:
        add_setting(parser, ExportSettings, name)
    parser.set_defaults(run=_render)


def _fit(args: argparse.Namespace) -> int:
    job = job_of(args)
    from ..runs.picture import run_job
    from .console import Console

    console = Console(sys.stderr)
    control = Control()
    done: list[Done] = []

    def emit(event: Event) -> None:
        if isinstance(event, Done):
            done.append(event)
        console(event)

    def stop() -> None:
        if control.cancelled:  # the second time
            os._exit(130)
        control.cancel()

    with termination_calls(stop):
        run_job(job, args.out, emit, control)
    if not done[0].out:
        console.line("Cancelled before there was a layout")
        return 1
    console.line(_summary(done[0]))
    return 0


def _summary(done: Done) -> str:
    metrics = json.loads((Path(done.out) / "metrics.json").read_text(encoding="utf-8"))
    smooth = "" if metrics.get("psnr_aa") is None else f" ({metrics['psnr_aa']:.2f} dB with smooth edges)"
    cancelled = "cancelled: the best so far, " if done.cancelled else ""
    return f"{done.out}: {cancelled}{metrics['psnr']:.2f} dB{smooth}, {metrics['seconds']['total']:.1f} s"


def _worker(args: argparse.Namespace) -> NoReturn:
    from .worker import main

    main()


def _render(args: argparse.Namespace) -> int:
    chosen = given(args, ExportSettings)
    for name, value in chosen.items():
        check_value(ExportSettings, name, value, f"--{name}")
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
        transparent = chosen.setdefault("transparent", layout.transparent)
        if args.frame is not None and args.frame not in layout.frames:
            raise UserError(
                f"{args.layout} has no frame {args.frame}: it has {layout.frames[0]} to {layout.frames[-1]}"
            )
        picture = render_layout(
            layout,
            templates,
            frame=0 if args.frame is None else layout.frames.index(args.frame),
            **chosen,
        )
    save_png(args.out, picture if transparent else picture[:3])
    return 0


def _doctor(args: argparse.Namespace) -> int:
    from ..doctor import examine, explain, is_sound

    findings = examine()
    _write(findings if args.json else explain(findings))
    return 0 if is_sound(findings) else 1


def _bench(args: argparse.Namespace) -> int:
    from ..bench import explain, measure
    from .console import Console

    results = measure(args, Console(sys.stderr).line)
    _write(results if args.json else explain(results))
    return 0


def _write(result: dict[str, Any] | str) -> None:
    sys.stdout.write((result if isinstance(result, str) else json.dumps(result, indent=1)) + "\n")
