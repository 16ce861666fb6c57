"""Scaling against Pillow's, and pictures without Pillow."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import backend
from backend.pictures.images import save_png
from backend.pictures.scaling import resized

SMALL, LARGE = (31, 45), (90, 130)


def photo(height: int, width: int) -> Image.Image:
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    waves = [0.5 + 0.5 * np.sin(40 * x * y + 6 * channel + 9 * y) for channel in range(3)]
    return Image.fromarray(np.rint(255 * np.dstack(waves)).astype(np.uint8)).convert("RGBA")


@pytest.mark.parametrize(("size", "wanted"), [(LARGE, SMALL), (SMALL, LARGE), (LARGE, (90, 60)), ((1, 9), (3, 4))])
def test_lanczos_is_pillows_within_its_rounding(size: tuple[int, int], wanted: tuple[int, int]) -> None:
    image = photo(*size)
    pixels = np.asarray(image)
    known = np.asarray(image.resize(wanted[::-1], Image.Resampling.LANCZOS)).astype(int)
    shown = resized([pixels], size, wanted, 4)
    difference = np.abs(shown.astype(int) - known)
    assert difference.mean() < 0.3
    assert difference.max() <= 6  # Pillow rounds and clips after the first axis, too
    strips = np.split(pixels, [1, size[0] // 2])
    assert np.array_equal(resized(strips, size, wanted, 4), shown)


def test_areas_are_means() -> None:
    gray = np.arange(60, dtype=np.uint8).reshape(6, 10, 1)
    means = resized([gray], (6, 10), (2, 4), 1, smooth=False)
    weights = np.array([[1, 1, 0.5, 0, 0], [0, 0, 0.5, 1, 1]]) / 2.5
    across = np.kron(np.eye(2), weights)
    known = across @ gray[..., 0].reshape(2, 3, 10).mean(1).T
    assert np.abs(means[..., 0] - known.T).max() <= 0.5
    larger = resized([gray], (6, 10), (12, 20), 1, smooth=False)
    assert np.array_equal(larger[..., 0], gray[..., 0].repeat(2, 0).repeat(2, 1))


def test_a_picture_keeps_its_pixels_at_its_own_size() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*SMALL, 4), np.uint8)
    assert np.array_equal(resized(np.split(pixels, [7]), SMALL, SMALL, 4), pixels)


def test_without_pillow_plain_pictures_are_read_and_the_rest_is_named(tmp_path: Path) -> None:
    """The same numbers as with it; a sentence says what the rest needs."""
    save_png(tmp_path / "a.png", np.asarray(photo(*LARGE)))
    photo(*LARGE).convert("RGB").save(tmp_path / "a.jpg")
    program = """
import sys
sys.modules["PIL"] = None
from pathlib import Path
from backend.job import Action, UserError
from backend.pictures.images import load_gray, load_rgba, load_target
print(load_target(Path("a.png"), 64)[0].sum(), load_gray(Path("a.png"), 9, 9).sum(), load_rgba(Path("a.png")).sum())
try:
    load_target(Path("a.jpg"), 64)
except UserError as error:
    assert error.action == Action.INSTALL
    print(error.message)
assert not {"torch", "PIL.Image", "av"} & sys.modules.keys()
"""
    variables = {**os.environ, "PYTHONPATH": str(Path(backend.__file__).parents[1])}
    lines = []
    for source in (program, program.replace('sys.modules["PIL"] = None', "")):
        command = [sys.executable, "-c", source]
        done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True)
        lines.append(done.stdout.splitlines())
    assert len(lines[0]) == 2, done.stderr
    assert lines[0][0] == lines[1][0]
    assert lines[0][1].startswith("a.jpg can be read only with Pillow: install it")
