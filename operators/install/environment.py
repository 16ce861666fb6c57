"""Finds the Python that runs the backend: one that the user chose, the add-on's own, or the running one."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import bpy

from ...backend.job import Action, UserError
from ..blender.folders import ADD_ON, user_folder
from ..process.worker import backend_command
from .env_folder import BackendFolder


def preferences() -> bpy.types.AddonPreferences | None:
    """Returns the add-on's preferences; None where it was registered without being enabled."""
    add_on = bpy.context.preferences.addons.get(ADD_ON)
    return add_on.preferences if add_on else None


def own_folder() -> BackendFolder:
    """Returns the folder of the add-on's own environment, existing or not. Raises UserError as user_folder does."""
    chosen = preferences()
    if chosen and chosen.folder:
        return BackendFolder(Path(bpy.path.abspath(chosen.folder)))
    return BackendFolder(user_folder("backend", create=False))


def backend_python() -> str:
    """Returns the path of the backend's Python.

    It is the existing one of the preferences if that is chosen, else that of the add-on's own environment if it is
    whole, else the running one if it has torch. Raises UserError where there is none.
    """
    chosen = preferences()
    if chosen and chosen.mode == "EXISTING":
        if chosen.python:
            return bpy.path.abspath(chosen.python)
        raise UserError("The backend's Python is not set: choose one in the add-on's preferences", Action.INSTALL)
    folder = own_folder()
    flaw = folder.flaw()
    if not flaw:
        return str(folder.interpreter)
    if find_spec("torch") is not None:
        return sys.executable
    raise UserError(flaw, Action.INSTALL)


def why_no_backend() -> str:
    """Says why no Python can run the backend, "" if one can."""
    try:
        backend_python()
    except UserError as error:
        return error.message
    return ""


def backend_call(*arguments: str) -> list[str]:
    """Returns the backend's command line with arguments. Raises UserError as backend_python and user_folder do."""
    return backend_command(backend_python(), user_folder("pycache"), *arguments)


def tell_verdict(works: bool, sentence: str) -> None:
    """Shows a sentence about the backend in the preferences, "" for none."""
    chosen = preferences()
    if chosen:
        chosen.verdict, chosen.works = sentence, works
