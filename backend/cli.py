"""The command line's arguments and what each command does with them.

Nothing heavy is imported before the arguments are known to be right.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, NoReturn

from .control import Control, termination_calls
from .files import UserError, check_range
from .job import ENGINES, MODES, RECIPES, SPACES, Done, Event, Job, Settings, TemplateSpec

MAX_WIDTH = 16384
"""Of a rendered picture, px."""

_STAMPS = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".tga", ".gif")
"""The files of a folder that are taken for stamps."""


def run(arguments: list[str] | None = None) -> int:
    """Runs a command line. Returns the exit status. Raises UserError for wrong arguments too."""
    args = _parser().parse_args(arguments)
    return int(args.run(args))


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message} (see {self.prog} --help)")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m backend", description="Makes pictures of bitmap stamps.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_fit(commands.add_parser("fit", help="find the layout of stamps that looks like a target"))
    worker = commands.add_parser("worker", help="serve jobs: commands on stdin, events on stdout, a JSON object a line")
    worker.set_defaults(run=_worker)
    _add_render(commands.add_parser("render", help="draw a layout, at any size"))
    export = commands.add_parser("export", help="write a layout as another program's file")
    export.add_argument("layout", type=Path, metavar="DIR", help="folder that fit wrote")
    export.add_argument("--out", type=Path, required=True, metavar="FILE", help="x.png or x.json")
    export.set_defaults(run=_export)
    doctor = commands.add_parser("doctor", help="list the engines and compare each with the reference")
    doctor.add_argument("--json", action="store_true", help="write JSON")
    doctor.set_defaults(run=_doctor)
    bench = commands.add_parser("bench", help="measure speed, or quality")
    bench.add_argument("--json", action="store_true", help="write JSON")
    bench.add_argument("--quality", type=Path, metavar="DIR", help="fit the pictures in DIR/targets with DIR/templates")
    bench.set_defaults(run=_bench)
    return parser


def _add_fit(parser: argparse.ArgumentParser) -> None:
    standard = Settings()
    add = parser.add_argument
    add("target", type=Path, metavar="TARGET|JOB_FOLDER", help="a picture, or a folder with a job.json")
    add("--templates", type=Path, nargs="+", metavar="FILE", help="stamps: pictures, or folders of them")
    add("--out", type=Path, required=True, metavar="DIR", help="folder for the layout")
    add("--count", type=int, metavar="N", help=f"primitives ({standard.count})")
    add("--size", type=int, metavar="PX", help=f"longer side of the canvas ({standard.size})")
    add("--iterations", type=int, metavar="N", help=f"steps ({standard.iterations})")
    add("--seed", type=int, metavar="N", help=f"the same seed gives the same layout ({standard.seed})")
    add("--recipe", choices=RECIPES, help=f"how it is fitted ({standard.recipe})")
    add("--engine", choices=ENGINES, help=f"what computes ({standard.engine})")
    add("--space", choices=SPACES, help=f"in which the stamps are composited ({standard.space})")
    add("--background", type=_color, metavar="RRGGBB", help="colour of the canvas (ffffff)")
    add("--threads", type=int, metavar="N", help="0 = one per core (0)")
    add("--mode", choices=MODES, default="tint", help="how a stamp's own colours enter (tint: not at all)")
    add("--blend", type=float, default=0.0, metavar="B", help="how much of them, from 0 to 1 (0)")
    add("--mask", type=Path, metavar="M.png", help="white: the target counts; black: nothing is placed")
    add("--start", type=Path, metavar="DIR", help="a layout to continue from")
    parser.set_defaults(run=_fit)


def _add_render(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("layout", type=Path, metavar="DIR", help="folder that fit wrote")
    add("--out", type=Path, required=True, metavar="FILE.png")
    add("--width", type=int, metavar="PX", help="of the picture (the canvas's)")
    add("--supersample", type=int, default=1, metavar="N", help="N x N samples a pixel (1)")
    add("--transparent", action="store_true", help="leave the background out")
    add("--engine", choices=ENGINES, default="auto", help="what computes (auto)")
    add("--threads", type=int, default=0, metavar="N", help="0 = one per core (0)")
    parser.set_defaults(run=_render)


def _color(text: str) -> tuple[float, ...]:
    digits = text.removeprefix("#")
    if not re.fullmatch("[0-9a-fA-F]{6}", digits):
        raise argparse.ArgumentTypeError(f"{text!r} is not a colour: six hexadecimal digits such as ffffff are needed")
    return tuple(int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4))


def _fit(args: argparse.Namespace) -> int:
    job = _job_of_folder(args) if os.path.isdir(args.target) else _job_of_files(args)
    from .console import Console
    from .run import run_job

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
    smooth = "" if metrics["psnr_aa"] is None else f" ({metrics['psnr_aa']:.2f} dB with smooth edges)"
    cancelled = "cancelled: the best so far, " if done.cancelled else ""
    return f"{done.out}: {cancelled}{metrics['psnr']:.2f} dB{smooth}, {metrics['seconds']['total']:.1f} s"


def _job_of_folder(args: argparse.Namespace) -> Job:
    for name in ("templates", "mask", "start"):
        if getattr(args, name):
            raise UserError(f"--{name} is for a target that is a picture: {args.target / 'job.json'} names its own")
    job = Job.load(args.target)
    job.settings = _settings(args, job.settings)
    return job


def _job_of_files(args: argparse.Namespace) -> Job:
    if not args.templates:
        raise UserError("There is no stamp: name at least one picture after --templates")
    settings = _settings(args, Settings())
    for path in (args.target, args.mask, args.start, *args.templates):
        if path and not os.path.exists(path):  # False for a name that is too long as well
            raise UserError(f"There is no {path}: name one that exists")
    specs = [TemplateSpec(str(file), mode=args.mode, blend=args.blend) for file in _stamp_files(args.templates)]
    return Job(str(args.target), specs, settings, str(args.mask or ""), str(args.start or ""))


def _settings(args: argparse.Namespace, settings: Settings) -> Settings:
    """The settings with what the command line says otherwise."""
    given = {f.name: getattr(args, f.name, None) for f in fields(Settings)}
    return replace(settings, **{name: value for name, value in given.items() if value is not None})


def _stamp_files(paths: list[Path]) -> list[Path]:
    files = []
    for path in paths:
        inside = sorted(p for p in path.iterdir() if p.suffix.lower() in _STAMPS) if path.is_dir() else [path]
        if not inside:
            raise UserError(f"{path} holds no pictures: name a folder of stamps ({', '.join(_STAMPS)})")
        files += inside
    return files


def _worker(args: argparse.Namespace) -> NoReturn:
    from .worker import main

    main()


def _render(args: argparse.Namespace) -> int:
    check_range("--supersample", args.supersample, 1, 8)
    check_range("--threads", args.threads, 0, 1024)
    if args.width is not None:
        check_range("--width", args.width, 1, MAX_WIDTH)
    if args.out.suffix.lower() != ".png":
        raise UserError(f"{args.out} is not a .png: a picture is written as PNG only")
    from .images import save_png
    from .memory import memory_errors_named
    from .rendering import render_layout
    from .results import load_result

    with memory_errors_named():
        layout, templates = load_result(args.layout)
        picture = render_layout(
            layout,
            templates,
            width=args.width,
            supersample=args.supersample,
            transparent=args.transparent,
            engine=args.engine,
            threads=args.threads,
        )
    save_png(args.out, picture if args.transparent else picture[:3])
    return 0


def _export(args: argparse.Namespace) -> int:
    from .export import export
    from .results import load_result

    export(*load_result(args.layout), args.out)
    return 0


def _doctor(args: argparse.Namespace) -> int:
    from .doctor import examine, explain

    findings = examine()
    _write(findings if args.json else explain(findings))
    return 0 if all(engine["works"] for engine in findings["engines"]) else 1


def _bench(args: argparse.Namespace) -> int:
    from .bench import explain, measure

    results = measure(args.quality)
    _write(results if args.json else explain(results))
    return 0


def _write(result: dict[str, Any] | str) -> None:
    sys.stdout.write((result if isinstance(result, str) else json.dumps(result, indent=1)) + "\n")
