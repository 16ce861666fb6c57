"""From a scene to its render, as with `blender -b scene.blend -P script.py`, on the real backend."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import venv
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from diffbmp.backend.job import PACKAGES
from diffbmp.backend.job.layout import Layout
from diffbmp.backend.job.messages import Event, Progress
from diffbmp.operators.blender.folders import user_folder
from diffbmp.operators.blender.images import read_image
from diffbmp.operators.fit import optimize
from diffbmp.operators.install.environment import backend_python
from diffbmp.operators.process.warm_worker import WARM
from diffbmp.operators.process.worker import Worker
from diffbmp.operators.result.readback import planes_of, read_layout
from diffbmp.operators.scene.planes import LOCKED
from diffbmp.operators.session.notice import NOTICE
from numpy.typing import NDArray

from tests.addon.support.compositor import psnr
from tests.addon.support.pictures import make_image, picture
from tests.addon.support.scenes import add_stamp, make_scene

ROOT = Path(__file__).parents[2]


def render_difference(scene: bpy.types.Scene, folder: Path) -> float:
    """Builds and renders the scene's layout. Returns its PSNR against the engine's picture, dB."""
    assert bpy.ops.diffbmp.build() == {"FINISHED"}
    result = scene.diffbmp.build.scene
    result.render.filepath = str(folder / "render.png")
    bpy.ops.render.render(write_still=True, scene=result.name)
    shown = read_image(bpy.data.images.load(result.render.filepath)) / 255.0
    engine = read_image(bpy.data.images.load(str(Path(scene.diffbmp.build.layout) / "render.png"))) / 255.0
    return psnr(shown, engine)


def bands() -> NDArray[Any]:
    """Slanted bands, along which stamps become long."""
    pixels = picture(96, 64)
    y, x = np.mgrid[:64, :96]
    pixels[..., :3] = np.rint(255 * (0.5 + 0.4 * np.sin((x + 2 * y) / 6))[..., None] * pixels[..., :3]) / 255
    return pixels


def test_a_scene_is_optimized_built_and_rendered(tmp_path: Path) -> None:
    scene = make_scene()
    scene.diffbmp.stamps.mode = "mix"
    add_stamp(scene.diffbmp.stamps.collection, make_image("tall", picture(8, 20)))
    scene.diffbmp.fit.count = 60
    assert bpy.ops.diffbmp.optimize() == {"FINISHED"}
    folder = Path(scene.diffbmp.build.layout)
    assert Layout.load(folder).count == 60
    scene.diffbmp.build.samples = 1
    assert render_difference(scene, tmp_path) > 55.0
    assert json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["count"] == 60


BARE = f"""
import runpy, sys
sys.modules.update(dict.fromkeys({list(PACKAGES)}))  # none of them can be imported
runpy.run_module("backend", run_name="__main__", alter_sys=True)
"""


@pytest.mark.timeout(300)
def test_a_fit_needs_nothing_but_the_python_of_blender(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As right after the extension was installed: with all that the panels offer without Install."""
    bpy.context.preferences.addons["diffbmp"].preferences.python = ""
    command = [sys.executable, "-E", "-s", "-c", BARE]
    monkeypatch.setattr(optimize, "backend_call", lambda *arguments: [*command, *arguments])
    scene = make_scene()
    settings = scene.diffbmp
    settings.build.samples = 1
    add_stamp(settings.stamps.collection, make_image("picture", picture(40, 24)))
    try:
        assert bpy.ops.diffbmp.optimize() == {"FINISHED"}, NOTICE.text
        assert render_difference(scene, tmp_path) > 55.0
        settings.stamps.mode, settings.look.match = "mix", "crisp"
        settings.limits.stretch, settings.limits.usage = 3.0, "shares"
        settings.look.palette, settings.look.palette_size, settings.look.spacing = "target", 5, 0.05
        settings.target.importance = make_image("importance", picture())
        settings.target.transparent, settings.fit.space, settings.fit.recording = True, "linear", 5
        settings.regions.overall.source, settings.regions.overall.image = "image", make_image("mask", picture())
        assert bpy.ops.diffbmp.optimize() == {"FINISHED"}, NOTICE.text
        assert Layout.load(Path(settings.build.layout)).count == settings.fit.count
    finally:
        WARM.clear()


def test_the_script_in_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    script = text.split("As a script")[1].split("```python\n")[1].split("```")[0]
    assert "settings.fit.count = 2000" in script
    scene = make_scene()
    scene.diffbmp.target.image.name = "photo.png"
    scene.diffbmp.fit.size, scene.diffbmp.fit.steps = 64, 10
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    monkeypatch.chdir(tmp_path)
    exec(compile(script.replace("2000", "30"), "README.md", "exec"), {})
    assert (tmp_path / "result.png").is_file()
    assert (tmp_path / "result.blend").is_file()


def test_a_warm_worker_shows_previews_from_the_start_of_the_next_run(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = make_scene()
    scene.diffbmp.target.image = bpy.data.images.load(str(ROOT / "docs" / "demo" / "astronaut.jpg"))
    scene.diffbmp.fit.count, scene.diffbmp.fit.size = 1000, 512
    try:
        first, second = (followed(scene, monkeypatch) for _ in range(2))
        assert first[0] is second[0]
        for _, said in (first, second):
            progress = [event for event in said if isinstance(event, Progress)]
            assert progress[0].preview
            assert progress[0].step < progress[0].total
    finally:
        WARM.clear()


def followed(scene: bpy.types.Scene, monkeypatch: pytest.MonkeyPatch) -> tuple[Worker, list[Event]]:
    """Returns a run's worker, and its events until the run was done."""
    run, said = optimize.start_run(scene), list[Event]()
    listen = run.worker.poll

    def poll() -> list[Event]:
        events = listen()
        said.extend(events)
        return events

    with monkeypatch.context() as patch:
        patch.setattr(run.worker, "poll", poll)
        while run.active:
            run.update()
            time.sleep(0.02)
    assert run.state == "done", run.message
    WARM.keep(run.worker)
    return run.worker, said


def test_a_result_is_continued(tmp_path: Path) -> None:
    scene = make_scene()
    scene.diffbmp.fit.count, scene.diffbmp.fit.steps, scene.diffbmp.build.samples = 40, 30, 1
    assert bpy.ops.diffbmp.optimize() == {"FINISHED"}
    assert bpy.ops.diffbmp.build() == {"FINISHED"}
    result = scene.diffbmp.build.scene
    bpy.context.window.scene = result
    planes = planes_of(result)
    for plane in planes[:5]:
        plane[LOCKED] = True
    planes[0].location.x += 0.1
    bpy.data.objects.remove(planes[6])
    before = read_layout(result)
    assert bpy.ops.diffbmp.continue_fit(added=15) == {"FINISHED"}, NOTICE.text
    after = read_layout(result)
    assert (before.count, after.count) == (39, 54)
    assert len(planes_of(result)) == 54
    for name in ("x", "y", "scale", "rotation", "opacity"):
        assert np.array_equal(getattr(after, name)[0, after.locked], getattr(before, name)[0, before.locked])
    # Its layout shows the same.
    result.render.filepath = str(tmp_path / "render.png")
    bpy.ops.render.render(write_still=True, scene=result.name)
    shown = read_image(bpy.data.images.load(result.render.filepath)) / 255.0
    folder = max(user_folder("jobs").iterdir(), key=lambda path: path.stat().st_mtime)
    engine = read_image(bpy.data.images.load(str(folder / "result" / "render.png"))) / 255.0
    assert psnr(shown, engine) > 55.0


def test_stretched_and_mirrored_stamps_render_as_fitted(tmp_path: Path) -> None:
    scene = make_scene()
    settings = scene.diffbmp
    settings.target.image = make_image("bands", bands())
    add_stamp(settings.stamps.collection, make_image("picture", picture(40, 24)))
    settings.stamps.mode = "original"
    settings.limits.stretch, settings.limits.mirror, settings.limits.opaque = 4.0, True, True
    settings.target.importance = make_image("importance", picture())
    settings.look.structure, settings.look.inside = 0.2, 0.1
    settings.fit.count, settings.fit.size, settings.fit.steps = 80, 96, 30
    settings.build.samples = 1
    assert bpy.ops.diffbmp.optimize() == {"FINISHED"}
    layout = Layout.load(Path(settings.build.layout))
    assert layout.aspect.min() < 0.5
    assert layout.aspect.max() > 2.0
    assert 0 < layout.mirror.sum() < layout.count
    assert (layout.level[:, 0] != layout.level[:, 1]).any()
    assert (layout.opacity == 1.0).all()
    assert layout.templates[0].limits.stretch == 4.0
    assert render_difference(scene, tmp_path) > 55.0


def test_the_backend_is_verified() -> None:
    assert bpy.ops.diffbmp.verify_backend() == {"FINISHED"}
    preferences = bpy.context.preferences.addons["diffbmp"].preferences
    assert preferences.works
    assert preferences.verdict.startswith("Ready: ")


def test_a_python_without_packages_is_reported(tmp_path: Path) -> None:
    venv.create(tmp_path / "bare", symlinks=sys.platform != "win32")
    (python,) = (path for path in tmp_path.glob("bare/*/python*") if path.stem == "python")
    preferences = bpy.context.preferences.addons["diffbmp"].preferences
    preferences.python = str(python)
    with pytest.raises(RuntimeError, match=r"does not work: .* has no numpy: install"):
        bpy.ops.diffbmp.verify_backend()
    assert not preferences.works
    make_scene()
    with pytest.raises(RuntimeError, match=" has no numpy: install"):
        bpy.ops.diffbmp.optimize()


SCRIPT = """
import threading, time
import bpy
from tests.addon.conftest import ADD_ON
bpy.ops.wm.read_factory_settings(use_empty=True)
ADD_ON.register()
add_on = bpy.context.preferences.addons.new()
add_on.module = "diffbmp"
add_on.preferences.python = {python!r}
from diffbmp.operators.session.slots import RUN
from tests.addon.support.scenes import make_scene
scene = make_scene()
scene.diffbmp.fit.count, scene.diffbmp.fit.size, scene.diffbmp.fit.steps = 500, 512, 100_000
def tell():
    while not (RUN.task and RUN.task.progress and RUN.task.has_layout):
        time.sleep(0.05)
    print("WORKER", RUN.task.worker.process_id, RUN.task.out, flush=True)
threading.Thread(target=tell, daemon=True).start()
bpy.ops.diffbmp.optimize()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals")
def test_the_backend_ends_when_blender_dies() -> None:
    command = [sys.executable, "-c", SCRIPT.format(python=backend_python())]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as blender:
        assert blender.stdout
        try:
            line = next(line for line in blender.stdout if line.startswith("WORKER"))
        finally:
            blender.kill()
        _, process, folder = line.split()
    end = time.monotonic() + 60
    while is_running(process):
        assert time.monotonic() < end, "the worker outlives Blender"
        time.sleep(0.05)
    assert Layout.load(Path(folder)).count == 500
    assert not list(Path(folder).parent.glob(".*"))
    shutil.rmtree(Path(folder).parents[3])  # Blender's temporary folder, which it could not remove


def is_running(process: str) -> bool:
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", process], capture_output=True, text=True, timeout=10, check=False
    )
    return state.stdout.strip()[:1] not in ("", "Z")  # a zombie has ended, but was not waited for
