"""A session in the window of a real Blender, whose command is DIFFBMP_BLENDER. A virtual screen will do."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMAND = os.environ.get("DIFFBMP_BLENDER", "")


@pytest.mark.skipif(not COMMAND, reason="DIFFBMP_BLENDER is not set: the command of a Blender that can open a window")
@pytest.mark.timeout(300)
def test_a_session_in_a_window(tmp_path: Path) -> None:
    found = sorted((ROOT / "build").glob("diffbmp-*.zip"))
    if not found:
        pytest.skip("there is no zip: python3 dev.py build")
    script = Path(__file__).with_name("session.py")
    command = [*shlex.split(COMMAND), "--factory-startup", "--python", str(script), "--"]
    answer = subprocess.run(
        [*command, str(found[-1]), str(tmp_path)], capture_output=True, text=True, timeout=280, check=False
    )
    assert "\nPASSED" in answer.stdout, answer.stdout[-3000:] + answer.stderr[-3000:]
    # Exceptions of a panel while it is drawn are only printed.
    assert "Traceback" not in answer.stdout + answer.stderr
