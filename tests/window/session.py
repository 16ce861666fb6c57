"""The steps of a user in a window, run by Blender itself: `blender --python session.py -- ...`.

Arguments: the add-on's zip, a folder for saved files. Prints PASSED and figures, or a traceback. Nothing is installed
but the zip, as for a new user.
Operators are invoked as buttons invoke them; Blender's own loop does the rest.
"""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import bpy

ZIP, FOLDER = sys.argv[sys.argv.index("--") + 1 :]
TICK = 0.01
LIMIT = 60.0
"""Longest time of a step, s."""

Condition = Callable[[], bool]


def session() -> Iterator[Condition]:
    """Does the steps. Yields the conditions to wait for."""
    bpy.context.preferences.view.show_splash = False
    bpy.ops.extensions.package_install_files(filepath=ZIP, repo="user_default", enable_on_install=True)
    name = next(item.module for item in bpy.context.preferences.addons if item.module.endswith(".diffbmp"))
    package = sys.modules[name]
    environment = package.operators.install.environment
    assert environment.backend_python() == sys.executable, "something was installed before"
    show_sidebar()
    yield waiting(0.5)
    yield from long_run(package)
    yield from prepared_run(package)
    yield from warm_run(package)
    yield from result(package)
    yield from saved()


def long_run(package: ModuleType) -> Iterator[Condition]:
    """Sets up, starts, pauses, continues and cancels an optimization."""
    run, preview = package.operators.session.slots.RUN, package.operators.fit.preview.PREVIEW
    settings = bpy.context.scene.diffbmp
    image = bpy.data.images.new("grid", 256, 192)
    image.generated_type = "COLOR_GRID"
    settings.target.image = image
    assert bpy.ops.diffbmp.add_example_stamps() == {"FINISHED"}
    settings.fit.count, settings.fit.size, settings.fit.steps = 300, 256, 50_000
    begin = time.monotonic()
    bpy.ops.diffbmp.optimize("INVOKE_DEFAULT")
    yield lambda: bool(preview.icon)
    tell("FIRST PREVIEW, COLD", round(time.monotonic() - begin, 2))
    yield waiting(1.0)

    bpy.ops.diffbmp.pause()
    yield waiting(0.3)
    step = run.task.progress.step
    yield waiting(0.7)
    assert run.task.progress.step <= step + 1, "it does not rest"
    bpy.ops.diffbmp.pause()
    yield lambda: run.task.progress.step > step + 5
    begin = time.monotonic()
    bpy.ops.diffbmp.cancel()
    yield lambda: run.task is None
    tell("CANCELLED IN", round(time.monotonic() - begin, 2))
    assert settings.build.layout


def prepared_run(package: ModuleType) -> Iterator[Condition]:
    """Optimizes once a worker has started, as the panel lets it: no script can choose the sidebar's tab."""
    run, warm = package.operators.session.slots.RUN, package.operators.process.warm_worker.WARM
    warm.clear()
    package.operators.fit.warm_up.warm_up(bpy.context.scene)
    yield lambda: not warm.is_cold
    worker = warm._worker
    yield waiting(3.0)
    begin = time.monotonic()
    bpy.ops.diffbmp.optimize("INVOKE_DEFAULT")
    assert run.task.worker is worker
    yield lambda: bool(run.task.progress and run.task.progress.preview)
    tell("FIRST PREVIEW, PREPARED", round(time.monotonic() - begin, 2))
    bpy.ops.diffbmp.cancel()
    yield lambda: run.task is None


def warm_run(package: ModuleType) -> Iterator[Condition]:
    """Optimizes until the end, with the live scene."""
    run, source = package.operators.session.slots.RUN, bpy.context.scene
    fit, live = source.diffbmp.fit, package.operators.fit.live_planes.live_scene
    fit.steps, fit.live = 2000, True
    begin = time.monotonic()
    bpy.ops.diffbmp.optimize("INVOKE_DEFAULT")
    yield lambda: run.task is None or bpy.context.window.scene == live()
    assert live() is not None, "no planes while it runs"
    yield waiting(0.5)
    yield lambda: run.task is None
    tell("WARM RUN", round(time.monotonic() - begin, 2))
    assert live() is None
    assert bpy.context.window.scene == source
    fit.live = False


def result(package: ModuleType) -> Iterator[Condition]:
    """Builds, continues and undoes."""
    run, source = package.operators.session.slots.RUN, bpy.context.scene.name
    bpy.ops.diffbmp.build("INVOKE_DEFAULT")
    yield waiting(0.5)
    built = bpy.data.scenes[source].diffbmp.build.scene
    assert bpy.context.window.scene == built
    assert len(built.collection.all_objects) == 301
    built.diffbmp.build.added = 20
    # Operators of a timer leave no undo steps by themselves.
    bpy.ops.ed.undo_push(message="built")
    bpy.ops.diffbmp.continue_fit("INVOKE_DEFAULT")
    yield lambda: run.task is None
    assert len(bpy.context.window.scene.collection.all_objects) == 321
    bpy.ops.ed.undo()
    yield waiting(0.5)
    bpy.ops.diffbmp.show_scene(name=source)


def saved() -> Iterator[Condition]:
    """Saves the file and opens it again."""
    source, path = bpy.context.scene.name, str(Path(FOLDER) / "session.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    yield waiting(0.5)
    settings = bpy.data.scenes[source].diffbmp
    assert settings.build.layout
    assert len(settings.build.scene.collection.all_objects) == 301


def show_sidebar() -> None:
    for area in bpy.context.window.screen.areas:
        if area.type == "VIEW_3D":
            area.spaces.active.show_region_ui = True


def tell(*parts: object) -> None:
    sys.stdout.write(" ".join(map(str, parts)) + "\n")
    sys.stdout.flush()


def waiting(seconds: float) -> Condition:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() >= end


class Driver:
    """Does the steps from a timer."""

    def __init__(self) -> None:
        self.steps, self.condition = session(), waiting(1.0)
        self.give_up = time.monotonic() + LIMIT

    def tick(self) -> float | None:
        now = time.monotonic()
        try:
            if self.condition():
                self.condition, self.give_up = next(self.steps), now + LIMIT
            elif now > self.give_up:
                raise TimeoutError("a step took too long")
        except StopIteration:
            self.end("PASSED")
            return None
        except (AssertionError, RuntimeError, AttributeError, KeyError, TypeError, TimeoutError):
            self.end(traceback.format_exc())
            return None
        return TICK

    def end(self, text: str) -> None:
        tell(text)
        bpy.ops.wm.quit_blender()


def main() -> None:
    driver: Any = Driver()
    bpy.app.timers.register(driver.tick, first_interval=1.0, persistent=True)


main()
