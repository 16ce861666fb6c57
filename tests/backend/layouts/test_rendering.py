"""Pictures of layouts."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

import backend
from backend.job import UserError
from backend.layouts.rendering import render_layout, render_strips
from backend.templates import Template, Templates
from tests.backend.support.layouts import layout_of, noise_stamps


@pytest.mark.parametrize("space", ["display", "linear"])
def test_a_transparent_picture_over_the_background_is_the_opaque_one(space: str) -> None:
    templates = noise_stamps()
    layout = layout_of(templates, space=space, background=(0.0, 0.0, 0.0))
    clear, opaque = render_layout(layout, templates, transparent=True), render_layout(layout, templates)
    alpha = clear[3]
    assert 0 <= alpha.min() < 0.1 < 0.8 < alpha.max() <= 1
    if space == "display":
        # Over black; straight colors times alpha, each rounded once.
        assert np.allclose(clear[:3] * alpha, opaque[:3], atol=1e-5)
    assert (opaque[3] == 1).all()


def test_supersampling_averages_and_larger_pictures_use_finer_levels() -> None:
    rgba = np.zeros((64, 64, 4), np.uint8)
    rgba[8:-8, 8:-8] = 255
    templates = Templates([Template("square", rgba)])
    layout = layout_of(templates, count=1, size=(40, 40))
    layout.x[:], layout.y[:], layout.scale[:], layout.opacity[:] = 20, 20, 8, 1
    layout.level[:] = templates.choose_levels(np.array([0]), np.array([8], np.float32), np.array([1], np.float32))
    native, aa = (
        render_layout(layout, templates, transparent=True),
        render_layout(layout, templates, transparent=True, supersample=3),
    )
    large = render_layout(layout, templates, transparent=True, width=320)
    assert large.shape == (4, 320, 320)
    # The same area everywhere: half extents of 6 px.
    for alpha, factor in ((native[3], 1), (aa[3], 1), (large[3], 8)):
        assert float(alpha.sum()) == pytest.approx((12 * factor) ** 2, rel=0.02)
    # At eight times the size the edge is still one pixel wide, not eight.
    soft = ((large[3] > 0.02) & (large[3] < 0.98)).sum()
    assert soft < 2.5 * 4 * 12 * 8


def test_a_picture_that_is_too_large_for_an_engine_is_drawn_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    templates = noise_stamps()
    layout = layout_of(templates)
    whole = render_layout(layout, templates, width=100, supersample=2, engine="cpu")
    monkeypatch.setattr(backend.layouts.rendering, "LONGEST_SIDE", 121)
    parts = render_layout(layout, templates, width=100, supersample=2, engine="cpu")
    assert parts.shape == whole.shape == (4, 68, 100)
    assert np.allclose(parts, whole, atol=1e-4)


def test_empty_layout_and_frame() -> None:
    templates = noise_stamps()
    picture = render_layout(layout_of(templates, count=0), templates)
    assert (picture == 1).all()


def test_pictures_without_pixels_and_stamps_that_are_missing_are_named() -> None:
    templates = noise_stamps()
    layout = layout_of(templates)
    for options, message in (
        ({"width": -3}, "width is -3, but must be from 1 to 16384"),
        ({"width": 2**40}, "width is 1.09951e.12, but must be"),
        ({"supersample": 0}, "supersample is 0, but must be from 1 to 8"),
        ({"supersample": 9}, "supersample is 9, but must be from 1 to 8"),
    ):
        with pytest.raises(UserError, match=message):
            render_layout(layout, templates, **options)  # type: ignore[arg-type]
    layout.template[:] = 2
    with pytest.raises(UserError, match="The layout uses stamp 2, but there are only 1"):
        render_layout(layout, Templates(templates.items[:1]))


def test_strips_are_the_picture_and_memory_stays_with_a_strip() -> None:
    templates = noise_stamps()
    layout = layout_of(templates, size=(40, 30))
    options = {"width": 600, "supersample": 4, "engine": "cpu", "threads": 1}
    whole = render_layout(layout, templates, **options)  # type: ignore[arg-type]
    samples = 20 * 600 * 4**2
    tracemalloc.start()
    try:
        top = 0
        for strip in render_strips(layout, templates, samples=samples, **options):  # type: ignore[arg-type]
            rows = strip.shape[1]
            assert rows <= 20
            # A position of hundreds of px is rounded in another way, and noise has a slope of 255 per texel.
            assert np.allclose(strip, whole[:, top : top + rows], atol=1e-3)
            top += rows
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert top == whole.shape[1] == 800
    # A sample has twelve floats: the image, its alpha, the background, what is averaged of them, and the engine's.
    assert peak < 48 * samples + 2**20 < whole.nbytes * 4**2 / 8


def test_drawing_imports_nothing_that_it_does_not_use() -> None:
    heavy = "{'torch', 'PIL', 'av', 'cv2', 'matplotlib', 'psd_tools'}"
    program = f"""
import sys
import numpy as np
import backend.engines, backend.layouts.rendering
from backend.engines import make_engine
from backend.templates import Template, Templates

engine = make_engine("cpu", Templates([Template("a", np.full((4, 4, 4), 255, np.uint8))]), 8, 8, space="linear")
print(sorted({heavy} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
