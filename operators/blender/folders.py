"""Where the add-on may write: the extension's own user folder, or Blender's temporary one. Never beside the code."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

import bpy

from ...backend.job import cannot_write, sweep

ADD_ON = __package__.rsplit(".", 2)[0]
"""The add-on's package, whose name depends on the installation."""

KEPT_JOBS = 20


def user_folder(name: str, create: bool = True) -> Path:
    """Returns a folder to write to. create: makes it if needed. Raises UserError where it cannot be made."""
    try:
        return Path(bpy.utils.extension_path_user(ADD_ON, path=name, create=create))
    except ValueError:  # not installed as an extension
        folder = Path(bpy.app.tempdir, "diffbmp", name)
        if not create:
            return folder
    except OSError as error:
        raise cannot_write("The extension's user folder", error) from error
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    return folder


def new_job_folder(name: str) -> Path:
    """Makes a folder for a job and its result. The latest KEPT_JOBS are kept, older ones are deleted."""
    jobs = user_folder("jobs")
    try:
        old = sorted(jobs.iterdir(), key=lambda folder: folder.stat().st_mtime, reverse=True)
        for folder in old[KEPT_JOBS - 1 :]:
            shutil.rmtree(folder, ignore_errors=True)
        sweep(jobs)
        for folder in old[: KEPT_JOBS - 1]:
            sweep(folder)
            sweep(folder / "result")
        return Path(tempfile.mkdtemp(prefix=f"{file_name(name)}-", dir=jobs))
    except OSError as error:
        raise cannot_write(jobs, error) from error


def file_name(name: str) -> str:
    """Turns a datablock's name into a part of a file name: letters, digits, - and _ only."""
    return re.sub(r"[^\w-]+", "_", name, flags=re.ASCII).strip("_")[:40] or "picture"
