"""Offers the best layouts of optimizations that were interrupted when Blender ended."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from pathlib import Path

import bpy

from ...backend.job import linked_copy
from ..blender.folders import user_folder
from ..process.job_lock import JobLock, is_locked
from ..session.notice import NOTICE
from ..session.reports import Reports
from ..session.screen import redraw

_ORIGIN = "origin.json"
"""File in a job's folder, while its optimization runs: names the .blend file and the scene."""

_LOCKS: dict[Path, JobLock] = {}
"""Locks of the jobs that run in this session."""

_FOUND: dict[tuple[str, str], Path | None] = {}
"""The interrupted job of a .blend file and a scene: the folders are searched once."""


def begin(scene: bpy.types.Scene, job: Path) -> None:
    """Marks the scene's job as running. It reuses the progress of an interrupted one of the same clip."""
    earlier = interrupted(scene)
    if earlier is not None and (earlier / "result" / "progress").is_dir():
        (job / "result").mkdir(exist_ok=True)
        try:  # a copy, so that it is there even if the new job is dropped
            linked_copy(earlier / "result" / "progress", job / "result" / "progress")
        except (OSError, shutil.Error):
            shutil.rmtree(job / "result", ignore_errors=True)  # a part of it would be refused
    origin = {"file": bpy.data.filepath, "scene": scene.name}
    with suppress(OSError):
        _LOCKS[job] = JobLock(job)  # first: without it, the job would pass for an interrupted one
        (job / _ORIGIN).write_text(json.dumps(origin), encoding="utf-8")


def end(job: Path) -> None:
    """Forgets a job: its optimization has ended, or its layout was taken."""
    release(job)
    with suppress(OSError):
        (job / _ORIGIN).unlink(missing_ok=True)


def release(job: Path) -> None:
    """Unlocks a job that is no longer watched, so that it is offered from now on."""
    lock = _LOCKS.pop(job, None)
    if lock is not None:
        lock.close()
    _FOUND.clear()


def interrupted(scene: bpy.types.Scene) -> Path | None:
    """Returns the folder of the latest interrupted job of this scene; None where there is none."""
    key = (bpy.data.filepath, scene.name)
    if key not in _FOUND:
        _FOUND[key] = _latest(*key) if bpy.data.filepath else None
    return _FOUND[key]


def offered(scene: bpy.types.Scene) -> Path | None:
    """Returns the layout of the interrupted job; None where there is none to build."""
    job = interrupted(scene)
    return job / "result" if job is not None and (job / "result" / "layout.json").is_file() else None


def _latest(file: str, scene: str) -> Path | None:
    found = []
    for path in user_folder("jobs", create=False).glob(f"*/{_ORIGIN}"):
        try:
            origin = json.loads(path.read_text(encoding="utf-8"))
            changed = path.stat().st_mtime
        except (OSError, ValueError, RecursionError):
            continue
        if not isinstance(origin, dict):
            continue
        if (origin.get("file"), origin.get("scene")) == (file, scene) and not is_locked(path.parent):
            found.append((changed, path.parent))
    return max(found)[1] if found else None


class DIFFBMP_OT_recover(Reports):
    bl_idname = "diffbmp.recover"
    bl_label = "Use Its Layout"
    bl_description = "Use the best layout of the interrupted optimization for the next build"
    bl_options = {"UNDO"}

    use: bpy.props.BoolProperty(name="Use", default=True, options={"SKIP_SAVE"})

    @classmethod
    def why_not(cls, context: bpy.types.Context) -> str:
        return "No optimization of this scene was interrupted" if offered(context.scene) is None else ""

    def execute(self, context: bpy.types.Context) -> set[str]:
        layout = offered(context.scene)
        assert layout is not None  # or why_not would have said so
        if self.use:
            context.scene.diffbmp.build.layout = str(layout)
            NOTICE.tell("The layout of the interrupted optimization can be built")
        end(layout.parent)
        redraw()
        return {"FINISHED"}


register, _unregister = bpy.utils.register_classes_factory((DIFFBMP_OT_recover,))


def unregister() -> None:
    for job in list(_LOCKS):
        release(job)
    _unregister()
