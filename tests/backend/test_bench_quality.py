"""The quality bench on pictures that are made here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.bench_quality import explain, run
from backend.files import UserError


def test_every_target_with_every_template(tmp_path: Path) -> None:
    pixels = np.full((24, 32, 4), 255, np.uint8)
    pixels[..., 0] = np.arange(32) * 8
    for name in ("targets/slope.png", "templates/block.png"):
        (tmp_path / name).parent.mkdir()
        Image.fromarray(pixels).save(tmp_path / name)
    rows = run(tmp_path, count=20, size=32, iterations=3)
    assert [(row["target"], row["template"]) for row in rows] == [("slope", "block")]
    assert all(row["psnr"] > 15 and 0 < row["seconds"] < 100 for row in rows)
    lines = explain(rows).splitlines()
    assert len(lines) == 3
    assert lines[-1].startswith("mean")


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="targets"):
        run(tmp_path)
