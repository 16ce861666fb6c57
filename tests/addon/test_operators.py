"""The operators as a script calls them, with a stand-in for the backend."""

from __future__ import annotations

import errno
import os
import pkgutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import bpy
import diffbmp
import pytest
from diffbmp import operators
from diffbmp.backend.job import UserError
from diffbmp.operators.blender import folders
from diffbmp.operators.fit import collect, optimize
from diffbmp.operators.fit.optimize import describe_seconds, why_not_optimize
from diffbmp.operators.install import environment
from diffbmp.operators.process.warm_worker import WARM
from diffbmp.operators.scene.build import build_scene
from diffbmp.operators.session.notice import NOTICE
from diffbmp.operators.session.slots import RUN

from tests.addon.support.layouts import random_layout, write_layout
from tests.addon.support.scenes import make_scene

FAKE = Path(__file__).parent / "support" / "fake_worker.py"

Pretend = Callable[[str], None]


@pytest.fixture
def pretend(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pretend]:
    """Replaces the backend by the stand-in with a behavior."""

    def pretend(behavior: str) -> None:
        command = [sys.executable, str(FAKE), behavior]
        monkeypatch.setattr(optimize, "backend_call", lambda *arguments: command)

    yield pretend
    WARM.clear()


def when_there_is_a_layout(act: Callable[[], object]) -> threading.Thread:
    """Calls a function while the operator waits, as soon as its run has a layout."""

    def wait() -> None:
        end = time.monotonic() + 60
        while not (RUN.task and RUN.task.progress and RUN.task.has_layout) and time.monotonic() < end:
            time.sleep(0.02)
        act()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_optimize_waits_and_prints_its_progress(pretend: Pretend, capfd: pytest.CaptureFixture[str]) -> None:
    pretend("finish")
    scene = make_scene()
    assert bpy.ops.diffbmp.optimize() == {"FINISHED"}
    assert (Path(scene.diffbmp.build.layout) / "layout.npz").is_file()
    assert RUN.task is None
    assert NOTICE.text == "Done after 100 steps: loss 0.01, 20.0 dB"
    assert "DiffBMP: Step 100 of 100, loss 0.01, 20.0 dB" in capfd.readouterr().out


def test_cancel_keeps_the_best_layout(pretend: Pretend) -> None:
    pretend("slow")
    scene = make_scene()
    thread = when_there_is_a_layout(lambda: RUN.task.cancel())
    assert bpy.ops.diffbmp.optimize() == {"FINISHED"}
    thread.join()
    assert scene.diffbmp.build.layout
    assert NOTICE.text == "Cancelled: the best layout so far is kept and can be built"


def test_a_scene_that_was_renamed_meanwhile_gets_its_layout(pretend: Pretend) -> None:
    pretend("slow")
    scene = make_scene()

    def act() -> None:
        scene.name = "another name"
        RUN.task.cancel()

    thread = when_there_is_a_layout(act)
    assert bpy.ops.diffbmp.optimize() == {"FINISHED"}
    thread.join()
    assert scene.diffbmp.build.layout


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals")
def test_a_killed_backend_gives_one_sentence_and_keeps_the_layout(pretend: Pretend) -> None:
    pretend("slow")
    scene = make_scene()
    thread = when_there_is_a_layout(lambda: os.kill(RUN.task.worker.process_id, signal.SIGKILL))
    with pytest.raises(
        RuntimeError, match=r"ended unexpectedly \(killed by SIGKILL\) - the best layout so far is kept"
    ):
        bpy.ops.diffbmp.optimize()
    thread.join()
    assert scene.diffbmp.build.layout
    assert NOTICE.is_error
    assert RUN.task is None
    assert bpy.ops.diffbmp.build.poll()


def test_the_backends_error_is_passed_on(pretend: Pretend) -> None:
    pretend("error")
    scene = make_scene()
    with pytest.raises(RuntimeError, match="The target has no pixels: choose another"):
        bpy.ops.diffbmp.optimize()
    assert scene.diffbmp.build.layout == ""
    assert (NOTICE.text, NOTICE.is_error) == ("The target has no pixels: choose another", True)


def test_a_file_that_is_no_python_is_named(tmp_path: Path) -> None:
    bpy.context.preferences.addons["diffbmp"].preferences.python = str(tmp_path / "python")
    make_scene()
    with pytest.raises(RuntimeError, match=r"python cannot be started \(No such file or directory\): choose another"):
        bpy.ops.diffbmp.optimize()
    with pytest.raises(RuntimeError, match="cannot be started"):
        bpy.ops.diffbmp.verify_backend()


def test_poll_says_that_there_is_no_python(monkeypatch: pytest.MonkeyPatch) -> None:
    bpy.context.preferences.addons["diffbmp"].preferences.python = ""
    monkeypatch.setattr(environment.sys, "executable", "")
    scene = make_scene()
    assert why_not_optimize(scene) == "This Blender has no Python program: press Install in the add-on's preferences"
    assert not bpy.ops.diffbmp.optimize.poll()
    with pytest.raises(RuntimeError, match="This Blender has no Python program"):
        bpy.ops.diffbmp.optimize()


def test_poll_says_what_is_missing() -> None:
    settings = bpy.context.scene.diffbmp
    ready = make_scene().diffbmp
    image, collection = ready.target.image, ready.stamps.collection
    settings.target.image = None
    with pytest.raises(RuntimeError, match="Choose a target image"):
        bpy.ops.diffbmp.optimize()
    settings.target.image, settings.stamps.collection = image, None
    with pytest.raises(RuntimeError, match="Choose a collection with the stamps"):
        bpy.ops.diffbmp.optimize()
    settings.stamps.collection = collection
    with pytest.raises(RuntimeError, match="There is no layout yet: optimize first"):
        bpy.ops.diffbmp.build()
    with pytest.raises(RuntimeError, match="No optimization is running"):
        bpy.ops.diffbmp.cancel()


def test_stamps_that_are_left_out_are_reported(pretend: Pretend, capfd: pytest.CaptureFixture[str]) -> None:
    pretend("finish")
    scene = make_scene()
    target = bpy.data.images.new("clear", 4, 4, alpha=True)
    target.generated_color = (0, 0, 0, 0)
    empty = bpy.data.objects.new("clear", None)
    empty.empty_display_type, empty.data = "IMAGE", target
    scene.diffbmp.stamps.collection.objects.link(empty)
    assert bpy.ops.diffbmp.optimize() == {"FINISHED"}
    assert "Left out: The image clear is fully transparent" in capfd.readouterr().out


def test_a_deleted_target_gives_one_sentence() -> None:
    scene = make_scene()
    scene.diffbmp.target.image = bpy.data.images.new("gone", 4, 4)
    scene.diffbmp.target.image.source = "FILE"
    scene.diffbmp.target.image.filepath = "//gone.png"
    bpy.context.preferences.addons["diffbmp"].preferences.python = sys.executable
    with pytest.raises(RuntimeError, match=r"The image gone has no pixels: .*gone\.png does not exist"):
        bpy.ops.diffbmp.optimize()
    assert NOTICE.is_error
    assert RUN.task is None


def test_a_job_that_cannot_be_written_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = make_scene()
    bpy.context.preferences.addons["diffbmp"].preferences.python = sys.executable
    jobs = folders.user_folder("jobs")
    before = set(jobs.iterdir())

    def fill_the_disk(path: Path, rgba: object) -> None:
        path.write_bytes(b"half a picture")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(collect, "write_png", fill_the_disk)
    with pytest.raises(UserError, match=r"cannot be written to \(No space left on device\): see that there is space"):
        optimize.start_run(scene).collect()
    assert set(jobs.iterdir()) == before


def test_build_makes_the_named_scene(tmp_path: Path) -> None:
    write_layout(tmp_path / "layout", *random_layout(5))
    scene = make_scene()
    scene.diffbmp.build.layout = str(tmp_path / "layout")
    scene.diffbmp.build.samples, scene.diffbmp.build.spread = 3, 0.5
    assert bpy.ops.diffbmp.build() == {"FINISHED"}
    result = scene.diffbmp.build.scene
    assert result.name == "DiffBMP sunset"
    assert result.cycles.samples == 3
    assert result.diffbmp.build.spread == 0.5
    assert bpy.context.scene == scene
    assert NOTICE.text == "Built 5 planes in the scene DiffBMP sunset"


def test_build_without_a_layout_gives_one_sentence(tmp_path: Path) -> None:
    bpy.context.scene.diffbmp.build.layout = str(tmp_path / "nothing")
    with pytest.raises(RuntimeError, match=r"layout\.json cannot be read: No such file or directory"):
        bpy.ops.diffbmp.build()
    assert NOTICE.is_error


def test_settings_have_limits() -> None:
    fit = bpy.context.scene.diffbmp.fit
    fit.count = fit.size = fit.steps = 0
    assert (fit.count, fit.size, fit.steps) == (1, 1, 1)
    fit.size = 20_000
    assert fit.size == 8192
    with pytest.raises(TypeError, match="not found in"):
        fit.space = "cubic"


def test_settings_are_saved_with_the_file(tmp_path: Path) -> None:
    scene = make_scene()
    scene.diffbmp.fit.count = 321
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
    settings = bpy.context.scene.diffbmp
    assert settings.fit.count == 321
    assert settings.target.image.name == "sunset.png"
    assert settings.stamps.collection.name == "Stamps"


def test_disabling_the_add_on_cancels_running_tasks(pretend: Pretend) -> None:
    pretend("slow")
    run = optimize.start_run(make_scene())
    run.collect()
    RUN.task = run
    process = run.worker.process_id
    diffbmp.unregister()
    try:
        assert RUN.task is None
        assert run.state == "cancelled"
        assert not hasattr(bpy.types.Scene, "diffbmp")
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)
    finally:
        diffbmp.register()


def test_the_source_can_be_shown_again_from_a_built_scene(tmp_path: Path) -> None:
    write_layout(tmp_path / "layout", *random_layout(5))
    scene = bpy.context.scene
    result = build_scene(tmp_path / "layout", "sunset", samples=1)
    assert bpy.ops.diffbmp.show_scene(name=result.name) == {"FINISHED"}
    assert bpy.context.window.scene == result
    assert bpy.ops.diffbmp.show_scene(name=scene.name) == {"FINISHED"}
    assert bpy.context.window.scene == scene
    with pytest.raises(RuntimeError, match="There is no scene nowhere"):
        bpy.ops.diffbmp.show_scene(name="nowhere")


def test_durations_are_rounded_for_people() -> None:
    assert [describe_seconds(s) for s in (-1, 12.4, 89, 100, 3000, 9000)] == [
        "0 s",
        "12 s",
        "89 s",
        "2 min",
        "50 min",
        "2.5 h",
    ]


@pytest.mark.parametrize("name", [item.name for item in pkgutil.iter_modules(operators.__path__) if item.ispkg])
def test_no_module_hides_a_room(name: str) -> None:
    """A module that is imported under the name of a room would take its place in the package."""
    assert getattr(operators, name).__name__ == f"{operators.__name__}.{name}"
