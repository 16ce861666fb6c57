"""Whenever a run is killed, nothing of the artist's is lost, nothing is half, and the same command goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

EVERY = 20
"""The suite kills at each operation of this distance; `python -m tests.trust.support.crash_points --all` at all."""

GROUPS = {
    "stills": ["still", "still over an older one", "still over an older one, in steps", "recording"],
    "clips": ["clip", "clip that goes on", "clip over an older one", "clip over a still"],
    "layered files": ["psd", "psd over an older one", "ora", "folder", "folder over an older one"],
    "other files": ["svg", "json", "png", "render"],
    "movies": ["gif", "webp", "mp4"],
    "clips of layouts": ["animate", "merge"],
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a child that is killed at once needs fork")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("group", GROUPS)
def test_a_kill_at_any_operation_harms_nothing(group: str) -> None:
    command = [sys.executable, "-m", "tests.trust.support.crash_points", "--every", str(EVERY), *GROUPS[group]]
    ended = subprocess.run(command, capture_output=True, text=True)
    found = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [entry["kind"] for entry in found] == GROUPS[group], ended.stderr
    assert all(entry["kills"] >= 4 for entry in found)
    assert not [entry for entry in found if entry["wrong"]]
