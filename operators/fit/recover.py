"""Optimizations that a Blender which ended did not see the end of: their layouts so far are offered."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from pathlib import Path

import bpy

from ..blender.folders import user_folder
from ..process.job_lock import JobLock, is_locked
from ..session.notice import NOTICE
from ..session.reports import Reports
from ..session.screen import redraw

_ORIGIN = "origin.json"
"""File in a job's folder, while its optimization runs: whose it is."""

_LOCKS: dict[Path, JobLock] = {}
"""Of the jobs of this session that are in work."""

_FOUND: dict[tuple[str, str], Path | None] = {}
"""What was found for a file and a scene. It is looked for once."""


def begin(scene: bpy.types.Scene, job: Path) -> None:
    """Remembers that the scene's job is in work. What an earlier one has found of the same clip is used."""
    earlier = interrupted(scene)
    if earlier is not None and (earlier / "result" / "progress").is_dir():
        (job / "result").mkdir(exist_ok=True)
        with suppress(OSError):
            shutil.move(earlier / "result" / "progress", job / "result" / "progress")
    origin = {"file": bpy.data.filepath, "scene": scene.name}
    with suppress(OSError):
        (job / _ORIGIN).write_text(json.dumps(origin), encoding="utf-8")
        _LOCKS[job] = JobLock(job)


def end(job: Path) -> None:
    """The job's optimization has ended, or its layout was taken."""
    release(job)
    with suppress(OSError):
        (job / _ORIGIN).unlink(missing_ok=True)


def release(job: Path) -> None:
    """Nobody sees to the job any more: it is offered from now on."""
    lock = _LOCKS.pop(job, None)
    if lock is not None:
        lock.close()
    _FOUND.clear()


def interrupted(scene: bpy.types.Scene) -> Path | None:
    """The folder of the latest job of this scene, in this file, that was left unfinished."""
    key = (bpy.data.filepath, scene.name)
    if key not in _FOUND:
        _FOUND[key] = _latest(*key) if bpy.data.filepath else None
    return _FOUND[key]


def offered(scene: bpy.types.Scene) -> Path | None:
    """The layout of the interrupted job, if there is one to be built."""
    job = interrupted(scene)
    return job / "result" if job is not None and (job / "result" / "layout.json").is_file() else None


def _latest(file: str, scene: str) -> Path | None:
    found = []
    for path in user_folder("jobs", create=False).glob(f"*/{_ORIGIN}"):
        try:
            origin = json.loads(path.read_text(encoding="utf-8"))
            changed = path.stat().st_mtime
        except (OSError, ValueError):
            continue
        if (origin.get("file"), origin.get("scene")) == (file, scene) and not is_locked(path.parent):
            found.append((changed, path.parent))
    return max(found)[1] if found else None


class DIFFBMP_OT_recover(Reports):
    bl_idname = "diffbmp.recover"
    bl_label = "Use Its Layout"
    bl_description = "Take the best layout of the optimization that was interrupted, to be built"
    bl_options = {"UNDO"}

    use: bpy.props.BoolProperty(name="Use", default=True, options={"SKIP_SAVE"})

    @classmethod
    def why_not(cls, context: bpy.types.Context) -> str:
        return "No optimization of this scene was interrupted" if offered(context.scene) is None else ""

    def execute(self, context: bpy.types.Context) -> set[str]:
        layout = offered(context.scene)
        assert layout is not None  # says poll
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
