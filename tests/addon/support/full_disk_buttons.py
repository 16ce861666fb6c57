"""The buttons that full_disk.py presses, and the artist's file in which it does."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from tests.addon.conftest import ADD_ON
from tests.addon.support.census import census
from tests.addon.support.scenes import add_square, make_mask, make_scene, make_text
from tests.addon.support.stages import make_stage

FRAMES = 2


class Stage:
    """An artist's file, and its result: a scene `Stage` of noise, a scene with a target, stamps and a region."""

    def __init__(self, disk: Path) -> None:
        bpy.ops.wm.read_factory_settings(use_empty=True)
        ADD_ON.register()
        preferences: Any = bpy.context.preferences.addons.new()
        preferences.module = "diffbmp"
        preferences.preferences.mode = "EXISTING"
        preferences.preferences.python = os.environ["DIFFBMP_BACKEND_PYTHON"]
        self.out, self.user = disk / "out", Path(bpy.app.tempdir, "diffbmp")
        self.out.mkdir()
        self.user.mkdir()
        (disk.parent / "pycache").mkdir()
        (self.user / "pycache").symlink_to(disk.parent / "pycache")  # torch's would not fit
        self.noise, self.main = make_stage(), make_scene()
        _make_noisy(self.noise)
        settings = self.main.diffbmp
        settings.stamps.resolution, settings.fit.size = 64, 96
        settings.target.scene = self.noise
        settings.stamps.collection.objects.link(make_text("A"))
        bpy.ops.diffbmp.add_example_stamps()
        add_square(make_mask("square").layers[0], 0.25, 0.75)
        bpy.ops.diffbmp.add_region()
        self.region = settings.regions.entries[0]
        self.region.area.source, self.region.area.mask = "mask", bpy.data.masks["square"]
        self.region.use = False
        bpy.ops.wm.save_as_mainfile(filepath=str(disk.parent / "artist.blend"))
        self.show(self.main)
        bpy.ops.diffbmp.optimize()
        self.layout = settings.build.layout
        bpy.ops.diffbmp.build()
        self.result = settings.build.scene

    def show(self, scene: bpy.types.Scene) -> None:
        bpy.context.window.scene = scene

    def job(self) -> Path:
        """The folder of the latest job."""
        return Path(self.main.diffbmp.build.layout).parent

    def fingerprint(self) -> Any:
        """What of the file may not change where a button fails. Blender's own images for renders may come and go."""
        own = {kind: [name for name in names if kind != "images"] for kind, names in census().items()}
        target = self.main.diffbmp.target
        places = [tuple(item.location) for item in self.result.collection.all_objects]
        return own, target.image, target.source, places, len(self.main.diffbmp.stamps.entries)

    def half_jobs(self) -> list[str]:
        """What is wrong with the jobs of the user folder."""
        from diffbmp.backend.job import UserError
        from diffbmp.backend.job.job import Job
        from diffbmp.operators.fit import recover

        found = [f"the lock of {job} is held" for job in recover._LOCKS]
        for file in (self.user / "jobs").glob("*/job.json"):
            try:
                Job.load(file.parent, outside=True)
            except UserError as error:
                found.append(f"{file} is half: {error.message}")
        recover._FOUND.clear()
        if recover.interrupted(self.main) is not None:
            found.append("a job that has failed is offered as an interrupted one")
        return found


def _make_noisy(scene: bpy.types.Scene) -> None:
    """Fills the scene's picture with what a PNG cannot compress, so that it is half-written on a full disk."""
    for name in ("red", "blue"):
        tree = bpy.data.objects[name].data.materials[0].node_tree
        texture = tree.nodes.new("ShaderNodeTexWhiteNoise")
        place = tree.nodes.new("ShaderNodeNewGeometry")
        tree.links.new(place.outputs["Position"], texture.inputs["Vector"])
        shader = next(node for node in tree.nodes if node.type == "EMISSION")
        tree.links.new(texture.outputs["Color"], shader.inputs["Color"])
    scene.cycles.samples = 1
    scene.frame_start, scene.frame_end = 1, FRAMES


@dataclass(frozen=True)
class Button:
    """How a button is pressed. state: what it has made, to compare."""

    press: Callable[[Stage], object]
    state: Callable[[Stage], Any] = lambda stage: None
    prepare: Callable[[Stage], object] = lambda stage: None
    restore: Callable[[Stage], object] = lambda stage: None


def _optimize(source: str, *, moving: bool) -> Button:
    def prepare(stage: Stage) -> None:
        stage.show(stage.main)
        target = stage.main.diffbmp.target
        target.source, target.moving, stage.region.use = source, moving, True

    def state(stage: Stage) -> Any:
        job = stage.job()
        kinds = ("target", "templates", "masks")
        pictures = {
            str(path.relative_to(job)): path.read_bytes() for kind in kinds for path in (job / kind).rglob("*.png")
        }
        return pictures, (job / "result" / "layout.json").is_file(), len(stage.main.diffbmp.stamps.entries)

    def restore(stage: Stage) -> None:
        stage.main.diffbmp.build.layout = stage.layout
        stage.main.diffbmp.target.source, stage.main.diffbmp.target.moving = "IMAGE", False
        stage.region.use = False

    return Button(lambda stage: bpy.ops.diffbmp.optimize(), state, prepare, restore)


def _continue() -> Button:
    def press(stage: Stage) -> None:
        bpy.ops.diffbmp.continue_fit(added=1)

    return Button(press, prepare=lambda stage: stage.show(stage.result), restore=_rebuild)


def _rebuild(stage: Stage) -> None:
    """Builds the first result anew."""
    from diffbmp.operators.result.rebuild import dismantle

    stage.show(stage.main)
    dismantle(stage.result)
    stage.main.diffbmp.build.layout = stage.layout
    bpy.ops.diffbmp.build()
    stage.result = stage.main.diffbmp.build.scene


def _build() -> Button:
    def press(stage: Stage) -> None:
        bpy.ops.diffbmp.build()

    def state(stage: Stage) -> int:
        return len(stage.main.diffbmp.build.scene.collection.all_objects)

    def restore(stage: Stage) -> None:
        from diffbmp.operators.result.rebuild import dismantle

        if stage.main.diffbmp.build.scene != stage.result:
            dismantle(stage.main.diffbmp.build.scene)
            stage.main.diffbmp.build.scene = stage.result

    return Button(press, state, lambda stage: stage.show(stage.main), restore)


def _export(kind: str, name: str) -> Button:
    def press(stage: Stage) -> None:
        try:
            getattr(bpy.ops.diffbmp, f"export_{kind}")(filepath=str(stage.out / name))
        except RuntimeError:
            assert (stage.out / name).read_bytes() == b"of earlier"
            raise

    def prepare(stage: Stage) -> None:
        stage.show(stage.result)
        (stage.out / name).write_bytes(b"of earlier")

    def state(stage: Stage) -> tuple[bytes, int]:
        written = (stage.out / name).read_bytes()
        return written[:4], len(written)  # a PSD has its date

    return Button(press, state, prepare)


def _render(kind: str, name: str) -> Button:
    def prepare(stage: Stage) -> None:
        stage.show(stage.main)
        stage.noise.diffbmp.output.kind, stage.noise.diffbmp.output.path = kind, str(stage.out / name)

    def state(stage: Stage) -> Any:
        from diffbmp.operators.blender.frames import movie_frames
        from diffbmp.operators.blender.images import read_file

        path = stage.out / name
        if path.is_dir():
            return [read_file(frame).tobytes() for frame in sorted(path.iterdir())]
        return [frame.tobytes() for frame in movie_frames(path, (1, FRAMES))]

    return Button(lambda stage: bpy.ops.diffbmp.render_animation(scene=stage.noise.name), state, prepare)


def _capture() -> Button:
    def state(stage: Stage) -> bytes:
        image = stage.noise.diffbmp.target.image
        pixels = np.empty(len(image.pixels), np.float32)
        image.pixels.foreach_get(pixels)
        return pixels.tobytes()

    def prepare(stage: Stage) -> None:
        stage.show(stage.noise)
        bpy.ops.render.render()

    return Button(lambda stage: bpy.ops.diffbmp.capture_target(source="RENDER"), state, prepare)


def _preset() -> Button:
    def state(stage: Stage) -> list[str]:
        from diffbmp.operators.settings.presets import own_presets

        return [path.read_text() for path in own_presets().values()]

    def press(stage: Stage) -> None:
        ended = {"CANCELLED"}
        try:
            ended = bpy.ops.diffbmp.add_preset(name="Deep")
        finally:
            assert ended == {"FINISHED"} or not state(stage)
        if ended == {"CANCELLED"}:  # Blender reports a warning
            raise RuntimeError("no space for the folder")

    def restore(stage: Stage) -> None:
        bpy.ops.diffbmp.add_preset(name="Deep", remove_name=True)

    return Button(press, state, restore=restore)


def _animate() -> Button:
    def state(stage: Stage) -> bool:
        return (Path(stage.main.diffbmp.build.layout) / "layout.json").is_file()

    def restore(stage: Stage) -> None:
        stage.main.diffbmp.build.layout = stage.layout

    return Button(lambda stage: bpy.ops.diffbmp.animate(), state, lambda stage: stage.show(stage.main), restore)


def _recover() -> Button:
    def prepare(stage: Stage) -> None:
        from diffbmp.operators.fit import recover

        stage.show(stage.main)
        job = stage.user / "jobs" / "lost"
        shutil.copytree(Path(stage.layout).parent, job, dirs_exist_ok=True)
        recover.begin(stage.main, job)
        recover.release(job)

    def restore(stage: Stage) -> None:
        stage.main.diffbmp.build.layout = stage.layout

    def state(stage: Stage) -> str:
        return str(stage.main.diffbmp.build.layout)

    return Button(lambda stage: bpy.ops.diffbmp.recover(), state, prepare, restore)


def _report(stage: Stage) -> None:
    bpy.ops.diffbmp.show_log()
    bpy.ops.diffbmp.copy_report()


BUTTONS = {
    "optimize": _optimize("IMAGE", moving=False),
    "optimize a scene": _optimize("SCENE", moving=False),
    "optimize a clip": _optimize("SCENE", moving=True),
    "continue": _continue(),
    "build": _build(),
    "export psd": _export("psd", "a.psd"),
    "export png": _export("png", "a.png"),
    "render pictures": _render("PNG", "frames"),
    "render lossless": _render("LOSSLESS", "film.mkv"),
    "render mp4": _render("MP4", "film.mp4"),
    "render prores": _render("PRORES", "film.mov"),
    "capture": _capture(),
    "preset": _preset(),
    "animate": _animate(),
    "recover": _recover(),
    "examples and report": Button(_report),
}
"""Every button that writes, or whose work lies on the disk."""
