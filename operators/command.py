"""`blender --command diffbmp ...`: runs the backend's command line, and builds its results."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import bpy

from ..backend.job import Action, UserError
from .blender.written import check_whole
from .install.environment import backend_call
from .process.child import NO_WINDOW, clean_environment
from .process.worker import ADD_ON_FOLDER
from .scene.build import FORMS, Form, build_scene

NAME = "diffbmp"

_COMMAND: list[Any] = []


def execute(arguments: list[str]) -> int:
    """Runs a command line. Returns the exit status: 0 = done, 1 = not as expected, 2 = an error for the user to fix."""
    try:
        if arguments[:1] == ["build"]:
            return _build(arguments[1:])
        return _pass_on(arguments or ["--help"])
    except UserError as error:
        sys.stderr.write(f"{error.message}\n")
        return 2


def _pass_on(arguments: list[str]) -> int:
    """Runs the command line in the backend. Ctrl-C also reaches it: it ends with the best layout."""
    command = backend_call("--folder", str(Path.cwd()), *arguments)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return subprocess.run(
            command,
            cwd=ADD_ON_FOLDER,
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            creationflags=NO_WINDOW,
            check=False,
        ).returncode
    except OSError as error:
        raise UserError(
            f"The backend's Python {command[0]} cannot be started ({error.strerror})", Action.INSTALL
        ) from error
    finally:
        signal.signal(signal.SIGINT, before)


def _build(arguments: list[str]) -> int:
    """Builds a layout in an otherwise empty file, and renders or saves it."""
    parser = argparse.ArgumentParser(prog="blender --command diffbmp build", description="Builds a layout.")
    parser.add_argument("layout", type=Path, metavar="DIR", help="folder of a layout")
    parser.add_argument("--save", type=Path, metavar="FILE.blend", help="where the scene is saved")
    parser.add_argument("--render", type=Path, metavar="FILE.png", help="where its picture is saved")
    parser.add_argument("--form", choices=[name.lower() for name in FORMS], default="auto", help="planes or instances")
    parser.add_argument("--depth", type=float, default=0.0, metavar="D", help="distance of the layers (0 = flat)")
    parser.add_argument("--samples", type=int, default=16, metavar="N", help="render samples (16)")
    try:
        args = parser.parse_args(arguments)
    except SystemExit as end:
        return int(end.code or 0)
    if not (args.save or args.render):
        raise UserError("The build would leave nothing: add --save FILE.blend, --render FILE.png or both")
    form = Form(args.form.upper(), spread=max(0.0, args.depth))
    scene = build_scene(args.layout.absolute(), args.layout.absolute().name, max(1, args.samples), form)
    for other in [item for item in bpy.data.scenes if item != scene]:
        bpy.data.scenes.remove(other)
    try:
        if args.render:
            scene.render.filepath = str(args.render.absolute())
            bpy.ops.render.render(write_still=True, scene=scene.name)
            check_whole(Path(bpy.path.ensure_ext(scene.render.filepath, ".png")))
        if args.save:
            bpy.ops.wm.save_as_mainfile(filepath=str(args.save.absolute()))
            check_whole(Path(bpy.data.filepath))
    except RuntimeError as error:
        raise UserError(f"{args.layout} was built, but could not be written: {error}") from error
    return 0


def register() -> None:
    _COMMAND.append(bpy.utils.register_cli_command(NAME, execute))


def unregister() -> None:
    while _COMMAND:
        bpy.utils.unregister_cli_command(_COMMAND.pop())
