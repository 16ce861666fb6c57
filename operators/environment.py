"""The Python that runs the backend."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import bpy

from ..backend.job import UserError
from .folders import ADD_ON, user_folder
from .worker import backend_command


def preferences() -> bpy.types.AddonPreferences | None:
    """The add-on's preferences; None where it was registered without being enabled."""
    add_on = bpy.context.preferences.addons.get(ADD_ON)
    return add_on.preferences if add_on else None


def backend_python() -> str:
    """Path of the backend's Python: that of the preferences, else the running one if it has torch.

    Raises UserError where there is neither.
    """
    chosen = preferences()
    if chosen and chosen.python:
        return bpy.path.abspath(chosen.python)
    if find_spec("torch") is not None:
        return sys.executable
    raise UserError(
        "The backend's Python is not set: choose in the add-on's preferences one that has PyTorch, NumPy and Pillow",
        "install",
    )


def backend_call(*arguments: str) -> list[str]:
    """The command line that runs the backend with arguments. Raises UserError as backend_python and user_folder do."""
    return backend_command(backend_python(), user_folder("pycache"), *arguments)
