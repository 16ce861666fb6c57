"""How long Blender waits for the add-on: seconds of wall clock, the best of three unless noted.

`ENV/bin/python -m tests.addon.bench.speed [--stamps 5000] [--runs 3]`, from the project's folder, in an environment
that has bpy. pace.py has the running optimization. The tests count the work instead: see tests/addon/support/work.py.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import bpy
import numpy as np

from tests.addon.conftest import ADD_ON
from tests.addon.support.pictures import disc, make_image
from tests.addon.support.scenes import add_stamp, make_scene


def main() -> None:
    parser = argparse.ArgumentParser(description="Times what Blender waits for")
    parser.add_argument("--stamps", type=int, default=5000, help="of the result that is worked on")
    parser.add_argument("--runs", type=int, default=3, help="runs, of which the best counts")
    options = parser.parse_args()
    bpy.ops.wm.read_factory_settings(use_empty=True)
    _tell("registered", _seconds(ADD_ON.register))  # for the first time: with its imports
    best: dict[str, float] = {}
    for _ in range(options.runs):
        bpy.ops.wm.read_factory_settings(use_empty=True)
        with tempfile.TemporaryDirectory() as folder:
            for name, seconds in _figures(Path(folder), options.stamps):
                best[name] = min(seconds, best.get(name, seconds))
    for name, seconds in best.items():
        _tell(name, seconds)
    ADD_ON.unregister()


def _figures(folder: Path, count: int) -> Iterator[tuple[str, float]]:
    yield from _stamps(folder)
    yield from _built(folder)
    for form in ("PLANES", "DENSE"):
        yield from _result(folder / form, count, form)
    yield from _live(folder / "live")


def _stamps(folder: Path) -> Iterator[tuple[str, float]]:
    from diffbmp.operators.blender.images import write_png
    from diffbmp.operators.blender.studio import render_objects
    from diffbmp.operators.fit.collect import write_job
    from diffbmp.operators.fit.preview import PREVIEW

    scene = make_scene()
    noise = np.random.default_rng(1)  # the slowest to compress
    for index in range(500):
        add_stamp(scene.diffbmp.stamps.collection, make_image(f"{index:03d}.png", noise.random((256, 256, 4))))
    (folder / "job").mkdir()
    yield "500 stamps of 256 px collected", _seconds(lambda: write_job(scene, folder / "job"))
    bpy.ops.mesh.primitive_monkey_add()
    yield "an object rendered as a stamp of 256 px", _seconds(lambda: render_objects([bpy.context.object], 256))
    path = folder / "preview.png"
    for side in (500, 512):  # the second one replaces the first
        write_png(path, disc(side))
        seconds = _seconds(lambda: PREVIEW.show(str(path)))
    PREVIEW.clear()
    yield "a preview of 512 px shown", seconds


def _built(folder: Path) -> Iterator[tuple[str, float]]:
    from diffbmp.operators.scene.build import Form, build_scene

    from tests.addon.support.clip_layouts import clip_layout
    from tests.addon.support.layouts import random_layout, write_layout

    write_layout(folder / "still", *random_layout(2000, width=512, height=512))
    write_layout(folder / "clip", *clip_layout(2000, 60, width=512, height=512))

    def build(name: str, form: Form) -> None:
        build_scene(folder / name, name, 1, form).view_layers[0].update()

    yield "2,000 planes built", _seconds(lambda: build("still", Form("PLANES")))
    yield "2,000 planes keyed over 60 frames", _seconds(lambda: build("clip", Form("PLANES", 0.25)))
    yield "2,000 instances over 60 frames built", _seconds(lambda: build("clip", Form("DENSE")))


def _result(folder: Path, count: int, form: str) -> Iterator[tuple[str, float]]:
    from diffbmp.operators.result.readback import planes_of, read_layout
    from diffbmp.operators.result.rebuild import rebuild, remove_result
    from diffbmp.operators.scene.build import Form, build_scene

    from tests.addon.support.layouts import random_layout, write_layout

    write_layout(folder, *random_layout(count))
    scene = build_scene(folder, "result", 1, Form(form))
    bpy.context.window.scene = scene
    for plane in planes_of(scene):
        plane.select_set(True)
    name = f"{count:,} stamps as {form}"
    yield f"{name}: read back", _seconds(lambda: read_layout(scene))
    yield f"{name}: locked", _seconds(lambda: bpy.ops.diffbmp.lock(action="SELECT"))
    yield f"{name}: rebuilt as planes", _seconds(lambda: rebuild(scene, Form("PLANES")))
    yield f"{name}: removed", _seconds(lambda: remove_result(scene))


def _live(folder: Path) -> Iterator[tuple[str, float]]:
    """The longest step: see STEP_SECONDS of operators/fit/live_planes.py."""
    from diffbmp.operators.fit.live_planes import LIVE_PLANES

    from tests.addon.support.layouts import random_layout, write_layout

    source = bpy.context.scene
    source.diffbmp.fit.live = True
    layout, bitmaps = random_layout(1000)
    write_layout(folder, layout, bitmaps)
    while LIVE_PLANES._seen == 0 or LIVE_PLANES._steps is not None:
        LIVE_PLANES.follow(source, folder)
    time.sleep(0.01)  # so that the next checkpoint's time differs
    layout.save(folder)
    steps = [_seconds(lambda: LIVE_PLANES.follow(source, folder))]
    while LIVE_PLANES._steps is not None:
        steps.append(_seconds(lambda: LIVE_PLANES.follow(source, folder)))  # type: ignore[unreachable]
    LIVE_PLANES.end()
    yield "1,000 planes while it runs: the longest step", max(steps)


def _seconds(act: Callable[[], object]) -> float:
    begin = time.perf_counter()
    act()
    return time.perf_counter() - begin


def _tell(name: str, seconds: float) -> None:
    sys.stdout.write(f"{seconds:7.3f} s  {name}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
