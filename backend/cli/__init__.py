"""The command line: its parser, with a module for each command.

Heavy modules are imported only once the arguments are checked.
"""

from __future__ import annotations

import argparse
import gc
import os
import re
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from ..job import UserError, given_path, shortened


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
    if not gc.isenabled():  # see __main__
        gc.freeze()
        gc.enable()
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
    source = "", ""
    """The module and the function that add the options; "" = they are there."""

    def complete(self) -> None:
        """Adds the options, unless they are there: all those of other commands would take a while."""
        (module, function), self.source = self.source, ("", "")
        if module:
            getattr(import_module(f"{__name__}.{module}"), function)(self)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        self.complete()
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        message = _VALUE.sub(lambda value: shortened(value[0]), message)
        raise UserError(f"{message} (see {self.prog} --help)")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m backend", description="Make pictures from bitmap stamps.")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="base of relative paths (the current folder)")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (text, module, function) in _COMMANDS.items():
        commands.add_parser(name, help=text).source = module, function
    return parser


_COMMANDS = {
    "fit": ("find a layout of stamps that looks like a target", "fit_run", "add_options"),
    "worker": ("serve jobs: commands on stdin, events on stdout, a JSON object a line", "worker", "add_options"),
    "render": ("draw a layout, at any size", "render", "add_options"),
    "export": ("write a layout as a file for other programs", "export", "add_options"),
    "animate": ("make a clip from still layouts", "animate", "add_options"),
    "merge": ("join parts of a clip that share a frame", "animate", "add_merge_options"),
    "doctor": ("list the engines and compare each with the reference", "doctor", "add_options"),
    "bench": ("measure speed, or quality", "bench", "add_options"),
}
"""What each command does, and the module and function that add its options."""
