"""The Python that runs the backend."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import bpy

from ..backend.job import UserError
from .folders import ADD_ON, user_folder
from .installation import environment_python, state_of
from .worker import backend_command


def preferences() -> bpy.types.AddonPreferences | None:
    """The add-on's preferences; None where it was registered without being enabled."""
    add_on = bpy.context.preferences.addons.get(ADD_ON)
    return add_on.preferences if add_on else None


def environment_folder() -> Path:
    """Where the backend's own environment is, or will be. Raises UserError where there is no place for it."""
    chosen = preferences()
    if chosen and chosen.folder:
        return Path(bpy.path.abspath(chosen.folder)).absolute()
    return user_folder("backend")


def backend_python() -> str:
    """Path of the backend's Python: that of the preferences, else of its own environment, else this one with torch.

    Raises UserError where there is none of them.
    """
    chosen = preferences()
    if chosen and chosen.python:
        return bpy.path.abspath(chosen.python)
    folder = environment_folder()
    state = state_of(folder)
    if state == "whole":
        return str(environment_python(folder))
    if find_spec("torch") is not None:
        return sys.executable
    if state == "old":
        raise UserError("The backend is of an older version: press Update in the add-on's preferences", "install")
    raise UserError("The backend is not installed yet: press Install in the add-on's preferences", "install")


def backend_call(*arguments: str) -> list[str]:
    """The command line that runs the backend with arguments. Raises UserError as backend_python and user_folder do."""
    return backend_command(backend_python(), user_folder("pycache"), *arguments)
