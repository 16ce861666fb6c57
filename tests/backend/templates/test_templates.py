"""Templates and their mip levels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from backend.job import TemplateSpec, UserError
from backend.templates import Template, Templates, bleed_colors, load_templates, padded
from tests.backend.templates.support.plain_levels import area_resample


def stamp(height: int = 48, width: int = 64) -> Template:
    y, x = np.mgrid[:height, :width]
    alpha = np.clip(min(height, width) / 2 - np.hypot(x - width / 2 + 0.5, y - height / 2 + 0.5), 0, 1) * 255
    return Template("disc", np.dstack([x * 3, y * 3, 200 - x, alpha]).astype(np.uint8))


def test_level_0_is_the_template() -> None:
    template = stamp()
    bitmap = Templates([template]).bitmap(0, 0, 0)
    visible = template.rgba[..., 3] > 0
    assert np.array_equal(bitmap[visible], template.rgba[visible])
    assert np.array_equal(bitmap[..., 3], template.rgba[..., 3])


def test_two_levels_per_octave_and_axis_down_to_one_texel() -> None:
    templates = Templates([stamp(48, 64)])
    assert templates.bitmap(0, 2, 2).shape == (24, 32, 4)
    assert templates.bitmap(0, 1, 3).shape == (17, 45, 4)
    last_u, last_v = (templates.level_count[0] - 1).tolist()
    assert templates.bitmap(0, last_u, last_v).shape == (1, 1, 4)


@pytest.mark.parametrize("level", [(1, 1), (4, 4), (5, 5), (2, 7)])
def test_levels_keep_area_and_color(level: tuple[int, int]) -> None:
    templates = Templates([stamp()])
    source, bitmap = templates.bitmap(0, 0, 0).astype(float), templates.bitmap(0, *level).astype(float)

    def means(a: NDArray[np.float64]) -> NDArray[np.float64]:
        alpha = a[..., 3:]
        return np.concatenate([(a[..., :3] * alpha).sum((0, 1)) / alpha.sum(), alpha.mean((0, 1))])

    # Both are rounded to 8 bits, with single precision between.
    assert np.allclose(means(bitmap), means(source), atol=0.6)


def test_levels_do_not_depend_on_their_order() -> None:
    first, second = Templates([stamp()]), Templates([stamp()])
    pairs = [(6, 6), (1, 1), (4, 4), (3, 5)]
    for pair in pairs:
        first.bitmap(0, *pair)
    for pair in reversed(pairs):
        assert np.array_equal(second.bitmap(0, *pair), first.bitmap(0, *pair))


def test_no_dark_fringe() -> None:
    """A white disc on transparent black stays white on each level."""
    rgba = stamp().rgba.copy()
    rgba[..., :3] = np.where(rgba[..., 3:] > 0, 255, 0)
    templates = Templates([Template("white", rgba)])
    for level in range(10):
        assert templates.bitmap(0, level, level)[..., :3].min() == 255


def test_bled_colors_come_from_nearby() -> None:
    rgba = np.zeros((16, 16, 4), np.uint8)
    rgba[4, 4], rgba[11, 11] = (255, 0, 0, 255), (0, 0, 255, 255)
    result = bleed_colors(rgba)
    assert result[3, 3].tolist() == [255, 0, 0, 0]
    assert result[15, 15].tolist() == [0, 0, 255, 0]
    assert np.array_equal(result[..., 3], rgba[..., 3])
    assert bleed_colors(np.zeros((3, 3, 4), np.uint8)).any() == np.False_


def test_padding_is_transparent_with_the_color_of_the_edge() -> None:
    result = padded(np.full((2, 3, 4), 9, np.uint8), 2)
    assert result.shape == (6, 7, 4)
    assert (result[..., :3] == 9).all()
    assert result[..., 3].sum() == 2 * 3 * 9


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7])
def test_area_resampling_keeps_the_mean(size: int) -> None:
    row = np.random.default_rng(0).random((4, 7), dtype=np.float32)
    assert np.allclose(area_resample(row, size, 1).mean(1), row.mean(1), atol=1e-6)


def test_area_resampling_matches_hand_calculations() -> None:
    assert area_resample(np.array([3.0, 0.0, 6.0], np.float32), 2, 0).tolist() == [2.0, 4.0]


def test_the_chosen_level_is_the_finest_within_the_bias() -> None:
    templates = Templates([stamp(128, 128)])
    scale = np.linspace(1.5, 90, 500, dtype=np.float32)
    aspect = np.linspace(0.4, 2.5, 500, dtype=np.float32)
    for bias in (0.7, 1.0, 1.4):
        level = templates.choose_levels(np.zeros(500, np.int64), scale, aspect, bias)
        axes = np.stack([scale * np.sqrt(aspect), scale / np.sqrt(aspect)], 1)
        texels = 64 * 2.0 ** (-level / 2) / axes
        assert (texels[level < templates.level_count[0] - 1] <= bias * 1.001).all()
        assert (texels[level > 0] * 2**0.5 > bias * 0.999).all()


def test_a_stamp_of_one_texel_per_pixel_is_not_blurred() -> None:
    templates = Templates([stamp(64, 64)])
    one, scale = np.ones(1, np.float32), np.array([32.0], np.float32)
    assert templates.choose_levels(np.array([0]), scale, one).tolist() == [[0, 0]]


def test_a_primitive_without_a_size_has_a_level() -> None:
    templates = Templates([stamp(64, 64)])
    scale = np.array([0.0, np.nan, np.inf], np.float32)
    level = templates.choose_levels(np.zeros(3, np.int64), scale, np.ones(3, np.float32))
    assert level.tolist() == [[12, 12], [0, 0], [0, 0]]


def test_coverage_is_the_mean_alpha_over_the_local_square() -> None:
    half = np.full((32, 64, 4), 255, np.uint8)
    assert Templates([Template("half", half)]).coverage.tolist() == pytest.approx([0.5])


class TestLoading:
    def test_loading_fills_in_name_and_size(self, tmp_path: Path) -> None:
        Image.fromarray(stamp().rgba).save(tmp_path / "Rose leaf.png")
        spec = TemplateSpec(str(tmp_path / "Rose leaf.png"), mode="mix", blend=0.5)
        item = load_templates([spec]).items[0]
        assert (spec.name, spec.width, spec.height) == ("Rose leaf", 64, 48)
        assert (item.mode, item.blend, item.textured) == ("mix", 0.5, True)

    def test_a_transparent_stamp_is_named(self, tmp_path: Path) -> None:
        Image.new("RGBA", (5, 5)).save(tmp_path / "ghost.png")
        with pytest.raises(UserError, match=r"ghost\.png is fully transparent"):
            load_templates([TemplateSpec(str(tmp_path / "ghost.png"))])

    def test_no_stamp_is_an_error(self) -> None:
        with pytest.raises(UserError, match="There is no stamp"):
            load_templates([])
