from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from backend.job import TemplateSpec
from backend.job.layout import Layout
from backend.metrics.clip import ClipMeter, jitter
from backend.metrics.plot import plot_metrics
from backend.native.arrays import BoolArray, FloatArray
from backend.pictures.flow import flow, occluded, warped


def texture(height: int = 48, width: int = 64) -> FloatArray:
    coarse = np.random.default_rng(1).random((3, 12, 16), np.float32)
    return np.stack([cv2.resize(plane, (width, height), interpolation=cv2.INTER_CUBIC) for plane in coarse]).clip(0, 1)


def layout_of(x: list[list[float]], opacity: list[list[float]]) -> Layout:
    frames, count = np.shape(x)
    ones = np.ones((frames, count), np.float32)
    return Layout(
        x=np.array(x),
        y=10 * ones,
        scale=2 * ones,
        aspect=ones,
        rotation=0 * ones,
        opacity=np.array(opacity),
        color=np.ones((frames, count, 3)),
        template=np.zeros(count),
        level=np.zeros((count, 2)),
        region=np.zeros(count),
        mirror=np.zeros(count),
        locked=np.zeros(count),
        width=64,
        height=48,
        templates=[TemplateSpec("a.png")],
        frames=list(range(1, frames + 1)),
    )


def test_a_perfect_clip_has_no_errors() -> None:
    meter = ClipMeter()
    for shift in range(4):
        frame = np.roll(texture(), shift, 2)
        meter.add(frame, frame)
    found = meter.metrics()
    assert found["psnr"] == 100.0
    assert found["ssim"] == pytest.approx(1.0)
    assert found["difference_error"] == 0.0
    assert found["warping_error"] == pytest.approx(found["target_warping_error"])
    assert found["frames"]["difference_error"] == [None, 0.0, 0.0, 0.0]


def test_values_match_hand_calculations() -> None:
    """A still target, and a picture with errors of 0.1 and then 0.3 in half of the pixels."""
    meter = ClipMeter(smooth=False)
    target = np.full((3, 20, 20), 0.5, np.float32)
    for error in (0.1, 0.3):
        image = target.copy()
        image[:, :10] += error
        meter.add(image, target)
    found = meter.metrics()
    assert found["difference_error"] == pytest.approx(0.2 * np.sqrt(0.5), rel=1e-5)
    assert found["flicker"] == pytest.approx(0.2 * np.sqrt(0.5), rel=1e-5)
    assert found["ssim"] is None


def test_cuts_are_left_out() -> None:
    meter = ClipMeter(smooth=False)
    for index in range(3):
        meter.add(
            np.random.default_rng(index).random((3, 20, 20), np.float32),
            np.zeros((3, 20, 20), np.float32),
            cut=index == 1,
        )
    assert [value is None for value in meter.metrics()["frames"]["difference_error"]] == [True, True, False]
    assert meter.static[1] is None


def test_jitter_is_of_visible_and_still_primitives() -> None:
    x = [[10.0, 30.0, 50.0], [11.0, 30.0, 50.0], [10.0, 30.0, 90.0]]
    opacity = [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0], [1.0, 1.0, 0.0]]
    static: list[BoolArray | None] = [None, np.ones((48, 64), np.bool_), np.ones((48, 64), np.bool_)]
    found = jitter(layout_of(x, opacity), static)
    # One bends by 2 px in x, one does not, the third is gone: the mean square of four coordinates is 1.
    assert found == {"jitter": pytest.approx(1.0), "jitter_static": pytest.approx(1.0)}
    static[1] = static[1].copy() if static[1] is not None else None
    assert static[1] is not None
    static[1][10, 10] = False
    assert jitter(layout_of(x, opacity), static)["jitter_static"] == 0.0
    assert jitter(layout_of(x, opacity), [None] * 3) == {"jitter": None, "jitter_static": None}


def test_flow_finds_a_shift_and_its_occlusion() -> None:
    before = texture(96, 128)
    after = np.roll(before, (2, 5), (1, 2))
    field = flow(before, after)
    inner = field[:, 24:72, 24:104]
    assert abs(float(np.median(inner[0])) - 5) < 0.3
    assert abs(float(np.median(inner[1])) - 2) < 0.3
    np.testing.assert_allclose(warped(after, field)[:, 30:60, 30:90], before[:, 30:60, 30:90], atol=0.05, rtol=0)
    gone = occluded(field, flow(after, before))
    assert gone[:, -3:].mean() > 0.8
    assert gone[30:60, 30:90].mean() < 0.1
    assert not flow(before[:, :4, :4], after[:, :4, :4]).any()


def test_the_plot_is_a_picture(tmp_path: Path) -> None:
    meter = ClipMeter()
    for shift in range(3):
        meter.add(np.roll(texture(), shift, 2) * np.float32(0.9), np.roll(texture(), shift, 2))
    plot_metrics(meter.metrics(), [5, 7, 9], [7], tmp_path / "m.png")
    pixels = np.asarray(Image.open(tmp_path / "m.png").convert("RGB"))
    assert pixels.shape[:2] == (900, 900)
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 50
