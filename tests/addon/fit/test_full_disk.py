"""On a full disk a button says one sentence, changes nothing, and works again when there is room."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.addon.support.full_disk import MARK
from tests.support.small_disk import skip_without_disk

BUTTONS = ["optimize a scene", "render lossless", "preset"]
"""Buttons in the suite; `python -m tests.addon.support.full_disk` presses all of them at 20 fill levels."""


@pytest.mark.timeout(600)
def test_a_full_disk_harms_nothing(tmp_path: Path) -> None:
    skip_without_disk(tmp_path / "try")
    command = [sys.executable, "-m", "tests.addon.support.full_disk", "--levels", "2", *BUTTONS]
    environment = {"DIFFBMP_BACKEND_PYTHON": sys.executable} | os.environ
    ended = subprocess.run(command, env=environment, capture_output=True, text=True)
    lines = [line.removeprefix(MARK) for line in ended.stdout.splitlines() if line.startswith(MARK)]
    found = [json.loads(line) for line in lines]
    assert [entry["button"] for entry in found] == BUTTONS, ended.stderr
    assert not [entry for entry in found if entry["wrong"]]
