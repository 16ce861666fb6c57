"""The whole way, as `blender -b scene.blend -P script.py` goes it, on the real backend."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import venv
from pathlib import Path

import bpy
import pytest
from diffbmp.backend.job import Layout, UserError
from diffbmp.operators.environment import backend_python
from diffbmp.operators.images import read_image

from tests.blender.compositor import psnr
from tests.blender.scenes import add_stamp, make_image, make_scene, picture

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _backend() -> None:
    try:
        backend_python()
    except UserError:
        pytest.skip("no backend: neither DIFFBMP_BACKEND_PYTHON nor torch in this Python")


def test_from_the_scene_to_the_render(tmp_path: Path) -> None:
    scene = make_scene()
    scene.diffbmp.stamps.mode = "mix"
    add_stamp(scene.diffbmp.stamps.collection, make_image("tall", picture(8, 20)))
    scene.diffbmp.fit.count = 60
    assert bpy.ops.diffbmp.optimize() == {"FINISHED"}
    folder = Path(scene.diffbmp.build.layout)
    assert Layout.load(folder).count == 60
    scene.diffbmp.build.samples = 1
    assert bpy.ops.diffbmp.build() == {"FINISHED"}
    result = scene.diffbmp.build.scene
    result.render.filepath = str(tmp_path / "render.png")
    bpy.ops.render.render(write_still=True, scene=result.name)
    shown = read_image(bpy.data.images.load(result.render.filepath)) / 255.0
    engine = read_image(bpy.data.images.load(str(folder / "render.png"))) / 255.0
    assert psnr(shown, engine) > 55.0
    assert json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["count"] == 60


def test_the_backend_is_verified() -> None:
    assert bpy.ops.diffbmp.verify_backend() == {"FINISHED"}
    preferences = bpy.context.preferences.addons["diffbmp"].preferences
    assert preferences.works
    assert preferences.verdict.startswith("The backend works: cpu on ")


def test_a_python_that_lacks_packages_is_told(tmp_path: Path) -> None:
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
from tests.blender.conftest import ADD_ON
bpy.ops.wm.read_factory_settings(use_empty=True)
ADD_ON.register()
add_on = bpy.context.preferences.addons.new()
add_on.module = "diffbmp"
add_on.preferences.python = {python!r}
from diffbmp.operators.optimize import RUN
from tests.blender.scenes import make_scene
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
def test_blender_that_dies_takes_the_backend_with_it() -> None:
    command = [sys.executable, "-c", SCRIPT.format(python=backend_python())]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as blender:
        assert blender.stdout
        try:
            line = next(line for line in blender.stdout if line.startswith("WORKER"))
        finally:
            blender.kill()
        _, process, folder = line.split()
    end = time.monotonic() + 5
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
    return state.stdout.strip()[:1] not in ("", "Z")  # a zombie has ended and waits for somebody to ask
