"""Finds the Python that runs the backend: one that the user chose, the add-on's own, or Blender's."""

from __future__ import annotations

import sys
from pathlib import Path

import bpy

from ...backend.job import Action, UserError
from ..blender.folders import ADD_ON, user_folder
from ..process.worker import backend_command
from .env_folder import BackendFolder
from .packages import PACKAGES, TORCH


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


def chosen_python() -> str:
    """Returns the path of the Python that the user chose to run the backend, "" where that is the add-on's affair.

    Raises UserError where none was set.
    """
    chosen = preferences()
    if not chosen or chosen.mode != "EXISTING":
        return ""
    if chosen.python:
        return bpy.path.abspath(chosen.python)
    raise UserError("The backend's Python is not set: choose one in the add-on's preferences", Action.INSTALL)


def ready_folder() -> BackendFolder | None:
    """Returns the folder of the add-on's own environment if that is whole and has what this version needs, else None.

    Raises UserError as user_folder does.
    """
    folder = own_folder()
    return None if folder.flaw() or is_outdated(folder) else folder


def is_outdated(folder: BackendFolder) -> bool:
    """Returns whether another version of the add-on, which needs other packages, has installed an environment."""
    marker = folder.marker
    return marker is not None and not {TORCH, *PACKAGES} <= set(marker.requirements)


def backend_python() -> str:
    """Returns the path of the backend's Python.

    It is the user's own if one is chosen, else that of the add-on's own environment if that is ready, else Blender's.
    Raises UserError where there is none.
    """
    if chosen := chosen_python():
        return chosen
    if folder := ready_folder():
        return str(folder.interpreter)
    if sys.executable:
        return sys.executable
    raise UserError("This Blender has no Python program: press Install in the add-on's preferences", Action.INSTALL)


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
