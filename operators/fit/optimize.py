"""Optimize, Pause and Cancel: has the backend fit the scene's job, and takes the layout."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic

import bpy

from ...backend.job import Progress, UserError
from ..blender.folders import new_job_folder
from ..install.environment import backend_call
from ..process.fit_run import Run, Steps
from ..process.warm_worker import WARM
from ..session.logs import worker_log
from ..session.notice import NOTICE
from ..session.reports import Reports
from ..session.screen import redraw
from ..session.slots import RUN, SLOTS
from ..session.watching import Watching
from ..stamps.properties import has_stamps
from ..target.properties import lacks_target, target_name
from . import recover
from .collect import job_steps
from .job_settings import lacks_colors
from .live_planes import LIVE_PLANES
from .needs import why_install
from .preview import PREVIEW
from .warm_up import stay_cold

PRINT_SECONDS = 1.0

Write = Callable[[bpy.types.Scene, Path], Steps]

SLOTS.append(RUN)


def start_run(scene: bpy.types.Scene, write: Write = job_steps) -> Run:
    """Starts to write the scene's job for a worker, which starts meanwhile. Raises UserError where it cannot."""
    worker = WARM.take(backend_call("worker"), worker_log())
    try:
        folder = new_job_folder(target_name(scene))
    except UserError:
        WARM.keep(worker)
        raise
    recover.begin(scene, folder)
    return Run(worker, folder, folder / "result", write(scene, folder))


def why_not_optimize(scene: bpy.types.Scene) -> str:
    """Says why the scene cannot be optimized now, "" if it can."""
    if RUN.task is not None:
        return "An optimization is running already"
    if missing := lacks_target(scene):
        return missing
    if not has_stamps(scene):
        return "Choose a collection with the stamps, or add stamps to the list"
    if lacks_colors(scene):
        return "Add a color to the palette"
    return why_install(scene)


class Optimizing(Watching, Reports):
    """An operator that optimizes the scene's job."""

    slot = RUN
    _next_line, _line = 0.0, ""

    def steps(self, scene: bpy.types.Scene, folder: Path) -> Steps:
        """Returns the steps that write the job."""
        return job_steps(scene, folder)

    def take(self, scene: bpy.types.Scene, task: Run) -> str:
        """Takes the layout that the task has left. Returns a message for the user, "" = the usual one.

        Raises UserError where the layout cannot be used.
        """
        scene.diffbmp.build.layout = str(task.out)
        return ""

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            NOTICE.tell("")
            LIVE_PLANES.end()
            run = start_run(context.scene, self.steps)
            if bpy.app.background:
                self._collect(run)
        except UserError as error:
            return self.fail(error)
        _listen_for_undo(True)
        return self.watch(context, run)

    def _collect(self, run: Run) -> None:
        try:
            run.collect()
        finally:
            if run.state == "failed":
                recover.end(run.job)
                WARM.keep(run.worker)

    def show(self, task: Run) -> None:
        if monotonic() < self._next_line:
            return
        self._next_line = monotonic() + PRINT_SECONDS
        self._print(task)

    def _print(self, task: Run) -> None:
        line, self._line = self._line, describe_progress(task)
        if line != self._line:
            sys.stdout.write(f"DiffBMP: {self._line}\n")
            sys.stdout.flush()

    def look(self, task: Run) -> None:
        if task.progress:
            PREVIEW.show(task.progress.preview)
        if scene := self.slot.owner:
            LIVE_PLANES.follow(scene, task.out)

    def dropped(self, task: Run) -> None:
        _listen_for_undo(False)
        recover.release(task.job)
        LIVE_PLANES.end()
        scene = self.slot.owner
        if scene and task.has_layout:
            scene.diffbmp.build.layout = str(task.out)
        NOTICE.tell(
            "The optimization ended because its window was closed"
            + (": the best layout so far can be built" if task.has_layout else "")
        )

    def finish(self, task: Run) -> set[str]:
        if bpy.app.background and task.progress:
            self._print(task)
        _listen_for_undo(False)
        recover.end(task.job)
        WARM.keep(task.worker)
        for sentence in task.left_out:
            self.report({"WARNING"}, f"Left out: {sentence}")
        LIVE_PLANES.end()
        scene = self.slot.owner
        failed = task.state == "failed"
        message = task.message or "Done"
        if task.state == "done" and task.progress:
            message = f"Done after {task.progress.step} steps: {_measured(task) or describe_quality(task.progress)}"
        if not bpy.app.background and (task.out / "preview.png").is_file():
            PREVIEW.show(str(task.out / "preview.png"))
        if task.has_layout and scene:
            try:
                message = self.take(scene, task) or message
            except UserError as error:
                message, failed, task.action = error.message, True, error.action
        elif task.has_layout:
            message += f" - its scene was deleted: the layout is in {task.out}"
        left_out = f". Left out: {'; '.join(task.left_out)}" if task.left_out else ""
        NOTICE.tell(message + left_out, is_error=failed, action=task.action)
        self.report({"ERROR" if failed else "INFO"}, message)
        return {"FINISHED"} if task.has_layout else {"CANCELLED"}


class DIFFBMP_OT_optimize(Optimizing):
    bl_idname = "diffbmp.optimize"
    bl_label = "Optimize"
    bl_description = "Arrange the stamps so that they show the target. Blender can be used meanwhile"
    bl_options = {"UNDO"}

    @classmethod
    def why_not(cls, context: bpy.types.Context) -> str:
        return why_not_optimize(context.scene)


class DIFFBMP_OT_pause(Reports):
    bl_idname = "diffbmp.pause"
    bl_label = "Pause"
    bl_description = "Pause or continue the optimization. While it is paused, the computer is free for other work"

    @classmethod
    def why_not(cls, context: bpy.types.Context) -> str:
        runs = RUN.task is not None and RUN.task.state in ("running", "paused")
        return "" if runs else "No optimization is running"

    def execute(self, context: bpy.types.Context) -> set[str]:
        run = RUN.task
        run.resume() if run.state == "paused" else run.pause()
        redraw()
        return {"FINISHED"}


class DIFFBMP_OT_cancel(Reports):
    bl_idname = "diffbmp.cancel"
    bl_label = "Cancel"
    bl_description = "End the optimization now, and keep the best layout so far"

    @classmethod
    def why_not(cls, context: bpy.types.Context) -> str:
        return "No optimization is running" if RUN.task is None else ""

    def execute(self, context: bpy.types.Context) -> set[str]:
        RUN.task.cancel()
        redraw()
        return {"FINISHED"}


def describe_progress(run: Run) -> str:
    """Describes an optimization in one line: step, loss, PSNR, time left."""
    progress = run.progress
    if progress is None:
        return run.doing if run.state == "collecting" else "Starting"
    left = f", {describe_seconds(progress.seconds_left)} left" if progress.step < progress.total else ""
    return f"Step {progress.step} of {progress.total}, {describe_quality(progress)}{left}"


def describe_quality(progress: Progress) -> str:
    """Describes the loss, and the PSNR of the latest preview if there was one."""
    quality = f", {progress.psnr:.1f} dB" if progress.psnr > 0 else ""
    what = f"loss {progress.loss:.4g}" if progress.frame is None else f"frame {progress.frame}"
    return what + quality


def _measured(run: Run) -> str:
    """The result's PSNR if it was measured at the end, "" if not."""
    try:
        return f"{json.loads((run.out / 'metrics.json').read_text(encoding='utf-8'))['psnr']:.1f} dB"
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def describe_seconds(seconds: float) -> str:
    """Describes a duration, as "45 s", "12 min" or "1.5 h"."""
    if seconds < 90:
        return f"{max(0.0, seconds):.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def _before_undo(*_: object) -> None:
    """Cancels a reading of the scene: undo and redo replace all data that it holds."""
    LIVE_PLANES.forget()
    if RUN.task is not None and RUN.task.state == "collecting":
        RUN.task.cancel()


def _listen_for_undo(listen: bool) -> None:
    for handlers in (bpy.app.handlers.undo_pre, bpy.app.handlers.redo_pre):
        if _before_undo in handlers:
            handlers.remove(_before_undo)
        if listen:
            handlers.append(_before_undo)


register, _unregister = bpy.utils.register_classes_factory((DIFFBMP_OT_optimize, DIFFBMP_OT_pause, DIFFBMP_OT_cancel))


def unregister() -> None:
    RUN.clear()
    stay_cold()
    WARM.clear()
    _listen_for_undo(False)
    _unregister()
