"""An optimization from its button to its end as in a window; the test sends the events."""

from __future__ import annotations

import errno
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import bpy
import pytest
from diffbmp.operators.blender import folders
from diffbmp.operators.blender.images import write_png
from diffbmp.operators.fit import optimize, recover
from diffbmp.operators.fit.optimize import describe_progress
from diffbmp.operators.fit.preview import NAME, PREVIEW
from diffbmp.operators.process.warm_worker import WARM
from diffbmp.operators.session.slots import RUN

from tests.addon.support.pictures import disc
from tests.addon.support.scenes import make_scene

FAKE = Path(__file__).parents[1] / "support" / "fake_worker.py"
TIMER = SimpleNamespace(type="TIMER")


@pytest.fixture(autouse=True)
def _stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setattr(optimize, "backend_call", lambda *arguments: [sys.executable, str(FAKE), "finish"])
    monkeypatch.setattr(folders, "user_folder", lambda name, create=True: _made(tmp_path / name))
    monkeypatch.setattr(recover, "user_folder", lambda name, create=True: _made(tmp_path / name))
    recover._FOUND.clear()
    yield
    RUN.clear()
    WARM.clear()
    PREVIEW.clear()
    recover._FOUND.clear()


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


def followed(scene: bpy.types.Scene) -> None:
    """Waits until the scene's run is done."""
    run = optimize.start_run(scene)
    end = time.monotonic() + 60
    while run.active and time.monotonic() < end:
        run.update()
        time.sleep(0.005)
    assert run.state == "done", run.message
    WARM.keep(run.worker)
    recover.end(run.job)


def test_the_worker_stays_warm() -> None:
    scene = make_scene()
    followed(scene)
    worker = WARM._worker
    assert worker is not None
    followed(scene)
    assert WARM._worker is worker


def test_undo_cancels_the_reading_of_the_scene() -> None:
    run = optimize.start_run(make_scene())
    RUN.task = run
    optimize._listen_for_undo(True)
    assert run.state == "collecting"
    assert describe_progress(run) == "Starting"
    run.update()
    RUN.task = None
    other = optimize.start_run(make_scene())
    RUN.task = other
    bpy.ops.ed.undo_push(message="something")
    for handler in bpy.app.handlers.undo_pre:
        handler(bpy.context.scene, None)  # type: ignore[call-arg]
    assert other.state == "cancelled"
    assert not other.job.exists()
    optimize._listen_for_undo(False)
    assert optimize._before_undo not in [*bpy.app.handlers.undo_pre, *bpy.app.handlers.redo_pre]
    run.stop()


def test_the_preview_is_shown_in_an_image_editor(tmp_path: Path) -> None:
    assert PREVIEW.icon == 0
    assert PREVIEW.image() is None
    assert not bpy.ops.diffbmp.show_preview.poll()
    path = tmp_path / "preview.png"
    write_png(path, disc(32))
    PREVIEW.show(str(path))
    image = PREVIEW.image()
    assert image is not None
    assert (image.name, tuple(image.size), image.use_fake_user) == (NAME, (32, 32), False)
    time.sleep(0.01)
    write_png(path, disc(48))
    PREVIEW.show(str(path))
    assert tuple(image.size) == (48, 48)
    assert PREVIEW.image() == image
    PREVIEW.show(str(tmp_path / "gone.png"))
    PREVIEW.show("")


def left_behind(scene: bpy.types.Scene, *, ended: bool = True) -> Path:
    """Leaves a job of the scene: one whose Blender has ended before it, or one that runs."""
    job = folders.new_job_folder("lost")
    recover.begin(scene, job)
    (job / "result").mkdir(exist_ok=True)
    (job / "result" / "layout.json").write_text("{}")
    if ended:
        recover.release(job)
    recover._FOUND.clear()
    return job


def test_the_layout_of_an_interrupted_run_is_offered(tmp_path: Path) -> None:
    scene = make_scene()
    assert recover.offered(scene) is None
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    scene = bpy.context.scene
    recover._FOUND.clear()
    left_behind(scene, ended=False)  # a running job, here or elsewhere, is not interrupted
    assert recover.offered(scene) is None
    job = left_behind(scene)
    assert recover.offered(scene) == job / "result"
    assert bpy.ops.diffbmp.recover() == {"FINISHED"}
    assert scene.diffbmp.build.layout == str(job / "result")
    assert recover.offered(scene) is None
    assert not bpy.ops.diffbmp.recover.poll()
    other = left_behind(scene)
    assert bpy.ops.diffbmp.recover(use=False) == {"FINISHED"}
    assert scene.diffbmp.build.layout == str(job / "result")
    assert (other / "result").exists()


def test_progress_of_an_interrupted_clip_is_reused(tmp_path: Path) -> None:
    make_scene()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    scene = bpy.context.scene
    recover._FOUND.clear()
    job = left_behind(scene)
    (job / "result" / "progress").mkdir()
    (job / "result" / "progress" / "frame_000000.npz").write_text("")
    recover._FOUND.clear()
    run = optimize.start_run(scene)
    assert (run.out / "progress" / "frame_000000.npz").exists()
    run.stop()


def test_a_job_that_cannot_be_locked_is_not_taken_for_an_interrupted_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(job: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    make_scene()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    monkeypatch.setattr(recover, "JobLock", full)
    left_behind(bpy.context.scene, ended=False)
    assert recover.offered(bpy.context.scene) is None


def test_a_job_that_cannot_be_collected_leaves_no_lock() -> None:
    scene = make_scene()
    scene.diffbmp.target.image.alpha_mode = "STRAIGHT"
    scene.diffbmp.target.image.pixels.foreach_set([0.0] * len(scene.diffbmp.target.image.pixels))
    before = set(recover._LOCKS)
    with pytest.raises(RuntimeError, match="fully transparent"):
        bpy.ops.diffbmp.optimize()
    assert set(recover._LOCKS) == before
