"""The process in which Blender soaks: `python -m tests.trust.support.soak.session FOLDER SEED FIRST`, from soak.py.

It does steps until it is killed, or something is wrong. A line of JSON on stdout tells of each.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import bpy

from tests.addon.conftest import ADD_ON
from tests.trust.soak import MARK
from tests.trust.support import machine
from tests.trust.support.soak import stage
from tests.trust.support.soak.checks import Checks, Violation
from tests.trust.support.soak.steps import Steps


def main(folder: Path, seed: int, first: int) -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    ADD_ON.register()
    add_on = bpy.context.preferences.addons.new()
    add_on.module = "diffbmp"
    preferences: Any = add_on.preferences
    preferences.mode = "EXISTING"
    preferences.python = os.environ.get("DIFFBMP_BACKEND_PYTHON", sys.executable)
    stage.make_stage(folder / "user")
    checks = Checks(folder)
    steps = Steps(folder / "user", checks)
    number = first
    while True:
        rng = random.Random(f"{seed}/{number}")
        said: dict[str, Any] = {"step": number, "kind": "none"}
        begin = time.monotonic()
        try:
            said["kind"] = steps.choose(rng)
            said["end"] = steps.do(said["kind"], rng)
            checks.after(number - first)
        except Violation as violation:
            said["violation"] = f"{said['kind']}: {violation}"
        except Exception:  # noqa: BLE001  whatever it is, a person must see it
            said["violation"] = f"{said['kind']}: {traceback.format_exc()}"
        said |= {
            "seconds": round(time.monotonic() - begin, 1),
            "rss_mb": machine.memory(os.getpid()) // 1024,
            "fds": machine.descriptors(os.getpid()),
            "threads": machine.threads(os.getpid()),
        }
        sys.stdout.write(f"\n{MARK}{json.dumps(said)}\n")
        sys.stdout.flush()
        if "violation" in said:
            os._exit(1)  # what Blender would still do may hang
        number += 1


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
