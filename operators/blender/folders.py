"""Where the add-on may write: the extension's own user folder, or Blender's temporary one. Never beside the code."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

import bpy

from ...backend.job import cannot_write

ADD_ON = __package__.rsplit(".", 2)[0]
"""The add-on's package, which has another name in every installation."""

KEPT_JOBS = 20


def user_folder(name: str, create: bool = True) -> Path:
    """A folder to write to; create: makes it if it is not there. Raises UserError where there is none."""
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
    """A new folder for a job and its result. The latest KEPT_JOBS are kept, older ones are deleted."""
    jobs = user_folder("jobs")
    try:
        old = sorted(jobs.iterdir(), key=lambda folder: folder.stat().st_mtime, reverse=True)
        for folder in old[KEPT_JOBS - 1 :]:
            shutil.rmtree(folder, ignore_errors=True)
        return Path(tempfile.mkdtemp(prefix=f"{file_name(name)}-", dir=jobs))
    except OSError as error:
        raise cannot_write(jobs, error) from error


def file_name(name: str) -> str:
    """A datablock's name as a part of a file's name: letters, digits, - and _ only."""
    return re.sub(r"[^\w-]+", "_", name, flags=re.ASCII).strip("_")[:40] or "picture"
