"""What a default fit loads: to load a module that it does not use makes every start slower."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from backend.pictures.images import save_png
from tests.backend.support.pictures import soft_disc

ROOT = Path(__file__).resolve().parents[3]
FIT = """
import runpy, sys
sys.argv = ["backend", "fit", *sys.argv[1:]]
try:
    runpy.run_module("backend", run_name="__main__", alter_sys=True)
except SystemExit as end:
    assert not end.code, end.code
print(*sys.modules)
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The modules in a process that has fitted a PNG."""
    folder = tmp_path_factory.mktemp("start")
    save_png(folder / "disc.png", soft_disc(32, 32, edge=4, slope=4))
    save_png(folder / "target.png", np.full((3, 24, 32), 0.5, np.float32))
    where = [str(folder / "target.png"), "--templates", str(folder / "disc.png"), "--out", str(folder / "out")]
    numbers = ["--count", "4", "--size", "32", "--iterations", "2", "--threads", "1", "--engine", "cpu"]
    done = subprocess.run(
        [sys.executable, "-c", FIT, *where, *numbers], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "name", ["torch", "PIL", "av", "cv2", "matplotlib", "psd_tools", "concurrent.futures", "backend.csrc.build"]
)
def test_a_fit_of_a_png_does_not_load(loaded: set[str], name: str) -> None:
    assert "backend.fitting" in loaded
    assert name not in loaded


def test_a_fit_loads_only_its_own_options(loaded: set[str]) -> None:
    commands = {"render", "export", "animate", "doctor", "bench", "worker"}
    assert not {f"backend.cli.{name}" for name in commands} & loaded
