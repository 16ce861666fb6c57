"""How long the running optimization keeps Blender waiting, and how soon it shows something.

`ENV/bin/python -m tests.addon.bench.pace [--stamps 300] [--count 1000] [--live] ...`, from the project's folder,
in an environment that has bpy, and torch or DIFFBMP_BACKEND_PYTHON. It plays the timer of the modal operator.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import defaultdict
from typing import Any

import bpy
import numpy as np

from tests.addon.conftest import ADD_ON
from tests.addon.support.pictures import disc, make_image, picture


def main() -> None:
    parser = argparse.ArgumentParser(description="Times the steps of an optimization in Blender")
    parser.add_argument("--stamps", type=int, default=300, help="images of --side pixels")
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--target", type=int, default=2048, help="side of the target, px")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--live", action="store_true", help="with planes while it runs")
    options = parser.parse_args()
    bpy.ops.wm.read_factory_settings(use_empty=True)
    ADD_ON.register()
    add_on = bpy.context.preferences.addons.new()
    add_on.module = "diffbmp"
    add_on.preferences.python = os.environ.get("DIFFBMP_BACKEND_PYTHON", "")
    _make_scene(options)
    for name in ("cold", "warm"):
        sys.stdout.write(f"{name}: {_timed()}\n")
    ADD_ON.unregister()


def _make_scene(options: argparse.Namespace) -> None:
    settings = bpy.context.scene.diffbmp
    settings.target.image = make_image("target", picture(options.target, options.target))
    stamp = disc(options.side)
    generator = np.random.default_rng(1)
    for number in range(options.stamps):
        stamp[..., :3] = generator.random((options.side, options.side, 3))
        entry = settings.stamps.entries.add()
        entry.by_hand = True
        entry.name, entry.image = f"stamp {number}", make_image(f"stamp {number}", stamp)
    settings.fit.count, settings.fit.size, settings.fit.steps = options.count, 512, options.steps
    settings.fit.live = options.live


def _timed() -> dict[str, Any]:
    from diffbmp.operators.fit.live_planes import LIVE_PLANES
    from diffbmp.operators.fit.optimize import start_run
    from diffbmp.operators.fit.preview import PREVIEW
    from diffbmp.operators.process.warm_worker import WARM
    from diffbmp.operators.session.watching import TIMER_SECONDS

    scene, longest = bpy.context.scene, defaultdict[str, float](float)
    begin = last = time.perf_counter()

    def note(name: str) -> None:
        nonlocal last
        now = time.perf_counter()
        longest[name], last = max(longest[name], round(1e3 * (now - last), 1)), now

    run, first = start_run(scene), 0.0
    note("start")
    while run.active:
        time.sleep(TIMER_SECONDS)
        last = time.perf_counter()
        doing = run.doing.split(" of ")[0].rstrip("0123456789 ") if run.state == "collecting" else "listening"
        is_new = run.update()
        note(doing)
        if is_new and run.progress:
            PREVIEW.show(run.progress.preview)
            note("preview")
            LIVE_PLANES.follow(scene, run.out)
            note("planes")
            if PREVIEW.icon and not first and run.progress.preview:
                first = round(last - begin, 2)
    WARM.keep(run.worker)
    last = time.perf_counter()
    LIVE_PLANES.end()
    note("end")
    total = round(time.perf_counter() - begin, 2)
    return {"state": run.state, "first preview s": first, "total s": total, "longest ms": dict(longest)}


if __name__ == "__main__":
    main()
