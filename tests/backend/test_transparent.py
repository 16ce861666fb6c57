"""Results without a background: the files have the stamps' alpha, in every way they are written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.__main__ import main
from backend.job import Job, Layout, RegionSpec, Settings, TemplateSpec, UserError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A disc on nothing, and a stamp."""
    y, x = np.mgrid[-1:1:48j, -1:1:48j]
    rgba = np.zeros((48, 48, 4), np.uint8)
    rgba[..., :3], rgba[..., 3] = (200, 80, 40), 255 * (np.hypot(x, y) < 0.7)
    Image.fromarray(rgba).save(tmp_path / "target.png")
    Image.fromarray(np.full((8, 8, 4), 255, np.uint8)).save(tmp_path / "stamp.png")
    return tmp_path


def fitted(folder: Path, *options: str) -> Path:
    command = [
        "fit",
        str(folder / "target.png"),
        "--templates",
        str(folder / "stamp.png"),
        "--out",
        str(folder / "out"),
    ]
    command += ["--size", "48", "--count", "30", "--iterations", "10", "--engine", "cpu", *options]
    assert main(command) == 0
    return folder / "out"


def test_a_transparent_result_is_so_everywhere(folder: Path) -> None:
    out = fitted(folder, "--transparent")
    assert Layout.load(out).transparent
    assert main(["render", str(out), "--out", str(folder / "large.png"), "--width", "96"]) == 0
    assert main(["export", str(out), "--out", str(folder / "flat.png")]) == 0
    for path in (out / "render.png", folder / "large.png", folder / "flat.png"):
        with Image.open(path) as image:
            assert image.mode == "RGBA"
            alpha = np.asarray(image.resize((48, 48)))[..., 3]
        assert alpha[24, 24] > 200
        assert alpha[0, 0] < 10


def test_others_stay_opaque(folder: Path) -> None:
    out = fitted(folder)
    assert not Layout.load(out).transparent
    with Image.open(out / "render.png") as image:
        assert image.mode == "RGB"


def test_a_layout_of_before_is_opaque(folder: Path) -> None:
    out = fitted(folder, "--transparent")
    text = (out / "layout.json").read_text(encoding="utf-8")
    (out / "layout.json").write_text(text.replace(' "transparent": true,\n', ""), encoding="utf-8")
    assert not Layout.load(out).transparent


# --- settings of regions ---------------------------------------------------------------------------------------------


def test_settings_of_a_region_are_read_back_as_they_were(tmp_path: Path) -> None:
    own = {"palette": [[1, 0, 0.5]], "order": "small_front", "losses": {"mse": 1.0, "ssim": 0.1}, "spacing": 0.02}
    job = Job("t.png", [TemplateSpec("s.png")], Settings(), regions=[RegionSpec("hair", "m.png", [], 2.0, own)])
    job.save(tmp_path)
    (region,) = Job.load(tmp_path).regions
    assert region.settings == {**own, "palette": [(1.0, 0.0, 0.5)]}


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"count": 3}, "The region hair sets 'count', but only these can be set: losses, palette, palette_size"),
        ({"order": "odd"}, "order is 'odd', but must be one of free, small_front, large_front"),
        ({"spacing": 7.0}, "spacing is 7, but must be from 0 to 1"),
        ({"palette": 3}, "The region hair: palette is 3, but a list is needed"),
    ],
)
def test_settings_that_a_region_cannot_have(own: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        RegionSpec("hair", "m.png", settings=own)
