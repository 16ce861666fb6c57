"""The command line: its parser, with a module for each command.

Heavy modules are imported only once the arguments are checked.
"""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path
from typing import Any, NoReturn

from ..job import UserError, given_path, shortened
from . import animate, bench, doctor, export, render
from .fit import add_options
from .fit_run import fit_job


def run(arguments: list[str] | None = None) -> int:
    """Runs a command line. Returns the exit status. Raises UserError for wrong arguments too."""
    args = _parser().parse_args(arguments)
    if args.folder is not None:
        _check_paths(args.folder)
        try:
            os.chdir(args.folder)
        except OSError as error:
            raise UserError(f"{args.folder} is no folder to work in ({error.strerror}): name another") from error
    _check_paths(list(vars(args).values()))
    return int(args.run(args))


def _check_paths(value: Any) -> None:
    """Raises UserError for a path, or one in nested lists, that is none on this system. Other values are fine."""
    if isinstance(value, Path):
        given_path(str(value))
    elif isinstance(value, list):
        for item in value:
            _check_paths(item)


_VALUE = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|(?<=unrecognized arguments: ).*|\S+""")
"""A value in argparse's messages."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        message = _VALUE.sub(lambda value: shortened(value[0]), message)
        raise UserError(f"{message} (see {self.prog} --help)")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m backend", description="Make pictures from bitmap stamps.")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="base of relative paths (the current folder)")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    fit = commands.add_parser("fit", help="find a layout of stamps that looks like a target")
    add_options(fit)
    fit.set_defaults(run=fit_job)
    worker = commands.add_parser("worker", help="serve jobs: commands on stdin, events on stdout, a JSON object a line")
    worker.set_defaults(run=_worker)
    render.add_options(commands.add_parser("render", help="draw a layout, at any size"))
    export.add_options(commands.add_parser("export", help="write a layout as a file for other programs"))
    animated = commands.add_parser("animate", help="make a clip from still layouts")
    animate.add_options(animated)
    animated.set_defaults(run=animate.animate)
    merge = commands.add_parser("merge", help="join parts of a clip that share a frame")
    animate.add_merge_options(merge)
    merge.set_defaults(run=animate.merge)
    doctor.add_options(commands.add_parser("doctor", help="list the engines and compare each with the reference"))
    bench.add_options(commands.add_parser("bench", help="measure speed, or quality"))
    return parser


def _worker(args: argparse.Namespace) -> NoReturn:
    from .worker import main

    main()
