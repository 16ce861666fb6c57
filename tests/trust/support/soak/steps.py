"""The steps of a soak: what artists do, chosen at random."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
from diffbmp.operators.fit import optimize, recover
from diffbmp.operators.output.animate import DIFFBMP_OT_animate
from diffbmp.operators.process.warm_worker import WARM
from diffbmp.operators.result.ownership import planes_of
from diffbmp.operators.scene.planes import LOCKED
from diffbmp.operators.scene.storage import stored_layout
from diffbmp.operators.session.notice import NOTICE
from diffbmp.operators.session.slots import EXPORT, RUN, Slot

from tests.trust.support.soak.checks import Checks, Violation
from tests.trust.support.soak.interruption import Interruption
from tests.trust.support.soak.stage import SCENES

FORMATS = {
    "psd": ("psd", "psb"),
    "ora": ("ora",),
    "layers": ("",),
    "png": ("png",),
    "svg": ("svg",),
    "movie": ("mp4", "gif", "webp"),
    "json": ("json",),
}
WEIGHTS = {
    "fit": 8,
    "clip": 3,
    "stop": 2,
    "recover": 2,
    "build": 4,
    "rebuild": 2,
    "edit": 2,
    "continue": 3,
    "export": 8,
    "animate": 2,
    "remove": 2,
    "reopen": 2,
}
"""How often each kind of step is done, relative to the others."""


class Steps:
    """Does steps on the file in a folder. Raises Violation, as the checks do."""

    def __init__(self, folder: Path, checks: Checks) -> None:
        self._checks, self._file, self._exports = checks, folder / "soak.blend", folder / "exports"
        self._exports.mkdir()
        for name in ("holiday.jpg", "notes.txt", ".hidden of the user"):
            (folder / name).write_bytes(name.encode() * 100)
            checks.own_file(folder / name)

    def choose(self, rng: random.Random) -> str:
        """Chooses a kind of step, and the scene in which it is done."""
        bpy.context.window.scene = bpy.data.scenes[rng.choice(SCENES)]
        return rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]

    def do(self, kind: str, rng: random.Random) -> str:
        """Does a step. Returns how it ended."""
        steps: dict[str, Callable[[random.Random], str]] = {
            "fit": self._fit,
            "clip": self._clip,
            "stop": self._stop,
            "recover": self._recover,
            "build": lambda rng: self._build(),
            "rebuild": self._rebuild,
            "edit": self._edit,
            "continue": self._continue,
            "export": self._export,
            "animate": self._animate,
            "remove": lambda rng: self._remove(),
            "reopen": lambda rng: self._reopen(),
        }
        return steps[kind](rng)

    def _settings(self, rng: random.Random) -> bpy.types.PropertyGroup:
        """Chooses the settings of the next fit."""
        settings = bpy.context.scene.diffbmp
        large = rng.random() < 0.08
        settings.fit.size = rng.randint(200, 320) if large else rng.randint(32, 128)
        settings.fit.count = rng.randint(200, 800) if large else rng.randint(1, 200)
        settings.fit.steps = rng.randint(10, 60) if large else rng.randint(1, 25)
        settings.fit.recipe = "paper" if rng.random() < 0.1 else "default"
        settings.fit.seed, settings.fit.recording = rng.randint(0, 9), rng.choice((0, 0, 0, 4))
        settings.backend.engine, settings.backend.threads = "cpu", 1
        settings.stamps.mode = rng.choice(("tint", "mix", "multiply", "original"))
        settings.target.moving, settings.target.transparent = False, rng.random() < 0.2
        settings.target.image = bpy.data.images[f"target of {bpy.context.scene.name}"]
        settings.limits.stretch, settings.limits.mirror = rng.choice((1.0, 3.0)), rng.random() < 0.3
        settings.regions.overall.source = "none"
        settings.regions.entries.clear()
        return settings

    def _fit(self, rng: random.Random) -> str:
        settings = self._settings(rng)
        if rng.random() < 0.3:
            self._add_masks(rng)
        return self._optimize(rng, settings)

    def _add_masks(self, rng: random.Random) -> None:
        regions = bpy.context.scene.diffbmp.regions
        regions.overall.source = rng.choice(("none", "alpha"))
        for number in range(rng.randint(1, 2)):
            bpy.ops.diffbmp.add_region()
            area = regions.entries[-1].area
            # The second one lies beneath the first, and around it.
            area.source, area.mask = rng.choice(("mask", "alpha")) if number else "mask", bpy.data.masks["square"]
            area.invert = number == 1 and area.source == "mask"

    def _clip(self, rng: random.Random) -> str:
        settings = self._settings(rng)
        settings.target.image, settings.target.moving = bpy.data.images["clip"], True
        settings.fit.recipe, settings.fit.count = "default", rng.randint(5, 60)
        settings.clip.start, settings.clip.end = 1, rng.randint(2, 5)
        settings.clip.iterations, settings.clip.refinement = rng.randint(1, 5), rng.choice((0, 3, 10))
        return self._optimize(rng, settings)

    def _optimize(self, rng: random.Random, settings: bpy.types.PropertyGroup, clean: bool = False) -> str:
        self._checks.makes_job()
        seen = list[Path]()
        with Interruption(None if clean else rng, RUN, seen) as interruption:
            end = self._call(bpy.ops.diffbmp.optimize, interruption)
        return self._take_result(settings, end, seen)

    def _take_result(self, settings: bpy.types.PropertyGroup, end: str, seen: list[Path]) -> str:
        for out in seen:
            if (out / "layout.json").is_file():
                self._checks.valid(out)
        if end == "done":
            self._checks.keep(Path(settings.build.layout))
        return end

    def _call(self, operator: Any, interruption: Interruption, **options: object) -> str:
        """Calls an operator. Returns "done", or how it was interrupted; raises Violation where it just fails."""
        try:
            result, text = operator(**options), NOTICE.text
        except RuntimeError as error:
            result, text = {"CANCELLED"}, str(error)
        text = self._checks.sentence(text)
        if result == {"FINISHED"} and not text.startswith("Cancelled") and "unexpectedly" not in text:
            return "done"
        if not interruption.acted:
            raise Violation(f"it fails by itself: {text}")
        if interruption.kind == "cancel" and not text.startswith("Cancelled"):
            raise Violation(f"a cancel ends with: {text}")
        return interruption.kind

    def _stop(self, rng: random.Random) -> str:
        """Starts a fit, and closes its window at any moment."""
        self._settings(rng)
        scene = bpy.context.scene
        self._checks.makes_job()
        run = optimize.start_run(scene)
        RUN.task, RUN.scene = run, scene.session_uid
        end = time.monotonic() + rng.choice((0.0, rng.uniform(0, 0.3), rng.uniform(0, 5), 60.0, 60.0))
        while run.active and time.monotonic() < end and not run.has_layout:
            run.update()
            time.sleep(0.01)
        if not run.active:
            recover.end(run.job)
            WARM.keep(run.worker)
            RUN.clear()
            return run.state
        recover.release(run.job)
        RUN.clear()
        self._checks.has_ended(run.worker.process_id)
        if run.has_layout:
            self._checks.valid(run.out)
            if recover.offered(scene) != run.out:
                raise Violation(f"the layout of a run that was stopped is not offered: {run.out}")
            return "with layout"
        return "without layout"

    def _recover(self, rng: random.Random) -> str:
        scene = bpy.context.scene
        layout = recover.offered(scene)
        if layout is None:
            return "nothing"
        use = rng.random() < 0.7
        if bpy.ops.diffbmp.recover(use=use) != {"FINISHED"}:
            raise Violation(f"it is offered, but: {NOTICE.text}")
        if use:
            self._checks.valid(layout)
            return self._build()
        return "declined"

    def _layout(self, still: bool = False) -> None:
        """Makes a layout for the scene where it has none."""
        settings = bpy.context.scene.diffbmp
        folder = Path(settings.build.layout or "nothing")
        if not (folder / "layout.json").is_file() or (still and len(self._checks.valid(folder).frames) > 1):
            settings = self._settings(random.Random(1))
            if self._optimize(random.Random(1), settings, clean=True) != "done":
                raise Violation(f"no layout: {NOTICE.text}")

    def _build(self) -> str:
        self._layout()
        settings = bpy.context.scene.diffbmp.build
        settings.samples = 1
        if bpy.ops.diffbmp.build() != {"FINISHED"}:
            raise Violation(f"the layout cannot be built: {NOTICE.text}")
        if settings.scene is None:
            raise Violation("there is no built scene")
        self._checks.sentence(NOTICE.text)
        return "done"

    def _built(self, still: bool = False) -> bpy.types.Scene:
        """Shows the scene's result, which is built where there is none."""
        build = bpy.context.scene.diffbmp.build
        if build.scene is None or still:
            self._layout(still)
            self._build()
        bpy.context.window.scene = build.scene
        return build.scene

    def _rebuild(self, rng: random.Random) -> str:
        build = self._built().diffbmp.build
        build.form, build.spread = rng.choice(("PLANES", "DENSE", "AUTO")), rng.choice((0.0, 0.5))
        if bpy.ops.diffbmp.rebuild() != {"FINISHED"}:
            raise Violation(NOTICE.text)
        return "done"

    def _edit(self, rng: random.Random) -> str:
        """Moves, locks and deletes planes by hand."""
        planes = planes_of(self._built())
        for plane in rng.sample(planes, min(3, len(planes))):
            plane.location.x += rng.uniform(-0.1, 0.1)
            if rng.random() < 0.5:
                plane[LOCKED] = True
        if len(planes) > 2 and rng.random() < 0.5:
            plane = rng.choice(planes)
            mesh = plane.data
            bpy.data.objects.remove(plane)
            if not mesh.users:  # Blender keeps it until the file is saved
                bpy.data.meshes.remove(mesh)
        return "done" if planes else "no planes"

    def _continue(self, rng: random.Random) -> str:
        source = bpy.context.scene.diffbmp
        settings = self._settings(rng)
        layout = stored_layout(self._built(still=True))
        width, height = settings.target.image.size
        # A clip that was cancelled in its first frame is a still, too, but not of this target.
        if layout is None or abs(layout.width / layout.height - width / height) > 0.1:
            return "of another target"
        if rng.random() < 0.5:
            self._edit_shown(rng)
        self._checks.makes_job()
        with Interruption(rng, RUN, []) as interruption:
            end = self._call(bpy.ops.diffbmp.continue_fit, interruption, added=rng.choice((0, 0, 7)))
        assert settings == source
        return end

    def _edit_shown(self, rng: random.Random) -> None:
        for plane in planes_of(bpy.context.scene)[:4]:
            plane.location.y += rng.uniform(-0.2, 0.2)

    def _export(self, rng: random.Random) -> str:
        name = rng.choice(list(FORMATS))
        ending = rng.choice(FORMATS[name])
        if rng.random() < 0.6:
            self._built()
        else:
            self._layout()
        path = self._exports / f"{name}{rng.randint(1, 2)}{'.' * bool(ending)}{ending}"
        self._checks.makes_job()
        with Interruption(rng, EXPORT, []) as interruption:
            operator = getattr(bpy.ops.diffbmp, f"export_{name}")
            end = self._call(operator, interruption, filepath=str(path), scale=rng.choice((0.5, 1.0, 3.0)))
        if end != "done":
            self._checks.same_file(path)
            return f"{end} ({name})"
        if not path.exists():
            raise Violation(f"{path} was not written: {NOTICE.text}")
        self._checks.own_file(path)
        self._checks.no_hidden(self._exports)
        return f"done ({name})"

    def _animate(self, rng: random.Random) -> str:
        self._layout(still=True)
        settings = bpy.context.scene.diffbmp
        settings.animate.kind, settings.animate.frames = "growth", rng.randint(2, 6)
        self._checks.makes_job()
        slot: Slot = DIFFBMP_OT_animate.slot
        with Interruption(rng, slot, [], kinds=("kill",)) as interruption:
            end = self._call(bpy.ops.diffbmp.animate, interruption)
        return self._take_result(settings, end, [])

    def _remove(self) -> str:
        """Removes all results, and checks that nothing is left of them."""
        count = 0
        for scene in [scene for scene in bpy.data.scenes if scene.name not in SCENES]:
            bpy.context.window.scene = scene
            if bpy.ops.diffbmp.remove_result() != {"FINISHED"}:
                raise Violation(NOTICE.text)
            count += 1
        self._checks.only_base()
        return f"{count} removed"

    def _reopen(self) -> str:
        """Saves the file and opens it again. Results that were built are there again."""
        before = {scene.name: len(scene.collection.all_objects) for scene in bpy.data.scenes}
        bpy.ops.wm.save_mainfile()
        bpy.ops.wm.open_mainfile(filepath=str(self._file))
        after = {scene.name: len(scene.collection.all_objects) for scene in bpy.data.scenes}
        if before != after:
            raise Violation(f"the file has other scenes than before: {before} {after}")
        return "done"
