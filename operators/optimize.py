"""Optimize and Cancel: the scene's job goes to the backend, and the folder of its layout comes back."""

from __future__ import annotations

import shutil
import sys
from time import monotonic

import bpy

from ..backend.job import Progress, UserError
from .collect import write_job
from .environment import backend_call, backend_python
from .folders import new_job_folder
from .run import Run
from .session import NOTICE, Slot, Watching, redraw
from .settings import lacks_colors
from .stamps import has_stamps
from .target import lacks_target, target_name
from .worker import Worker

PRINT_SECONDS = 1.0

RUN = Slot()
"""The optimization of this session: one at a time, because it takes all of the machine."""


def start_run(scene: bpy.types.Scene) -> tuple[Run, list[str]]:
    """Writes the scene's job and gives it to a new worker. Returns the run and a sentence about each thing left out.

    Raises UserError as write_job and Worker do.
    """
    command = backend_call("worker")
    folder = new_job_folder(target_name(scene))
    try:
        left_out = write_job(scene, folder)
        worker = Worker(command, folder / "worker.log")
    except BaseException:  # half a job is of no use, and may be what fills the disk
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return Run(worker, folder, folder / "result"), left_out


def why_not_optimize(scene: bpy.types.Scene) -> str:
    """Why the scene cannot be optimized now, "" if it can."""
    if RUN.task is not None:
        return "An optimization is running already"
    if missing := lacks_target(scene):
        return missing
    if not has_stamps(scene):
        return "Choose a collection with the stamps, or add stamps to the list"
    if lacks_colors(scene):
        return "Add a color to the palette"
    try:
        backend_python()
    except UserError as error:
        return error.message
    return ""


class DIFFBMP_OT_optimize(Watching, bpy.types.Operator):
    bl_idname = "diffbmp.optimize"
    bl_label = "Optimize"
    bl_description = "Find where the stamps must lie to be the target. Blender stays free for other work meanwhile"
    bl_options = {"UNDO"}  # noqa: RUF012  Blender's own form

    slot = RUN
    _next_line = 0.0

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        reason = why_not_optimize(context.scene)
        if reason:
            cls.poll_message_set(reason)
        return not reason

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            run, left_out = start_run(context.scene)
        except UserError as error:
            NOTICE.tell(error.message, is_error=True)
            self.report({"ERROR"}, error.message)
            return {"CANCELLED"}
        NOTICE.tell(f"Left out: {'; '.join(left_out)}" if left_out else "")
        for sentence in left_out:
            self.report({"WARNING"}, f"Left out: {sentence}")
        return self.watch(context, run)

    def show(self, task: Run) -> None:
        if monotonic() < self._next_line:
            return
        self._next_line = monotonic() + PRINT_SECONDS
        sys.stdout.write(f"DiffBMP: {describe_progress(task)}\n")
        sys.stdout.flush()

    def finish(self, task: Run) -> set[str]:
        scene = next((scene for scene in bpy.data.scenes if scene.session_uid == self.slot.scene), None)
        failed = task.state == "failed"
        message = task.message or "Done"
        if task.state == "done" and task.progress:
            moves = task.progress.frame is not None
            quality = f"{task.progress.psnr:.1f} dB" if moves else describe_quality(task.progress)
            message = f"Done after {task.progress.step} steps: {quality}"
        if task.has_layout and scene:
            scene.diffbmp.build.layout = str(task.out)
        elif task.has_layout:
            message += f" - its scene was deleted: the layout lies in {task.out}"
        NOTICE.tell(message, is_error=failed)
        self.report({"ERROR" if failed else "INFO"}, message)
        return {"FINISHED"} if task.has_layout else {"CANCELLED"}


class DIFFBMP_OT_cancel(bpy.types.Operator):
    bl_idname = "diffbmp.cancel"
    bl_label = "Cancel"
    bl_description = "End the optimization now; the best layout so far is kept"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if RUN.task is None:
            cls.poll_message_set("No optimization is running")
        return RUN.task is not None

    def execute(self, context: bpy.types.Context) -> set[str]:
        if RUN.task is not None:
            RUN.task.cancel()
        redraw()
        return {"FINISHED"}


def describe_progress(run: Run) -> str:
    """One line: step, loss, PSNR, time left."""
    progress = run.progress
    if progress is None:
        return "Starting"
    left = f", {describe_seconds(progress.seconds_left)} left" if progress.step < progress.total else ""
    return f"Step {progress.step} of {progress.total}, {describe_quality(progress)}{left}"


def describe_quality(progress: Progress) -> str:
    """The loss, and the latest preview's PSNR where there was a preview."""
    quality = f", {progress.psnr:.1f} dB" if progress.psnr > 0 else ""
    what = f"loss {progress.loss:.4g}" if progress.frame is None else f"frame {progress.frame}"
    return what + quality


def describe_seconds(seconds: float) -> str:
    if seconds < 90:
        return f"{max(0.0, seconds):.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes / 60:.1f} h"


_CLASSES = (DIFFBMP_OT_optimize, DIFFBMP_OT_cancel)


def register() -> None:
    for item in _CLASSES:
        bpy.utils.register_class(item)


def unregister() -> None:
    RUN.clear()
    for item in reversed(_CLASSES):
        bpy.utils.unregister_class(item)
