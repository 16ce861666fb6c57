"""The levels of the compiled library: the same numbers as plain NumPy's."""

from __future__ import annotations

import gc
import itertools
import weakref
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from PIL import Image

from backend.engines.levels import LevelTable, level_tables
from backend.job import Limits, TemplateSpec, UserError
from backend.templates import ByteArray, Pixels, Template, Templates, bleed_colors, load_templates
from backend.templates.pixels import Recent
from tests.backend.templates.support import plain_levels

SIZES = ((1, 1), (1, 2), (2, 3), (5, 1), (64, 64), (37, 53), (48, 20), (3, 70))

Mode = Literal["tint", "mix", "multiply"]


def picture(width: int, height: int, kind: str = "blots") -> ByteArray:
    """Draws random texels, of which large areas are transparent, all are, or none is."""
    random = np.random.default_rng(width * 1000 + height)
    rgba = random.integers(0, 256, (height, width, 4), dtype=np.uint8)
    if kind == "blots":
        rgba[..., 3] *= np.kron(random.random((height // 5 + 1, width // 5 + 1)) < 0.5, np.ones((5, 5)))[
            :height, :width
        ].astype(np.uint8)
        rgba[0, 0, 3] = 200
    rgba[..., 3] |= np.uint8(255 if kind == "opaque" else 0)
    rgba[..., 3] &= np.uint8(0 if kind == "transparent" else 255)
    return rgba


def all_levels(templates: Templates) -> list[tuple[int, int]]:
    count_u, count_v = templates.level_count[0].tolist()
    return list(itertools.product(range(count_u), range(count_v)))


@pytest.mark.parametrize("kind", ["blots", "opaque", "transparent"])
@pytest.mark.parametrize("size", SIZES)
def test_bitmaps_are_those_of_numpy(size: tuple[int, int], kind: str) -> None:
    rgba = picture(*size, kind)
    templates = Templates([Template("blots", rgba)])
    for level in all_levels(templates):
        assert np.array_equal(templates.bitmap(0, *level), plain_levels.bitmap(rgba, *level)), level


@pytest.mark.parametrize("size", SIZES)
def test_bled_colors_are_those_of_numpy(size: tuple[int, int]) -> None:
    rgba = picture(*size)
    before = rgba.copy()
    assert np.array_equal(bleed_colors(rgba), plain_levels.bleed_colors(rgba))
    assert np.array_equal(rgba, before)


@pytest.mark.parametrize("mode", ["tint", "mix", "multiply"])
@pytest.mark.parametrize("kind", ["blots", "opaque", "transparent"])
@pytest.mark.parametrize("size", SIZES)
def test_tables_are_those_of_numpy(size: tuple[int, int], kind: str, mode: str) -> None:
    rgba = picture(*size, kind)
    templates = Templates([Template("blots", rgba, mode, 0.5)])
    for level in all_levels(templates):
        made, bitmap = level_tables(templates, 0, *level), plain_levels.bitmap(rgba, *level)
        alpha, texture = plain_levels.tables(bitmap)
        assert np.array_equal(made.alpha, alpha)
        if mode == "tint":
            assert made.texture is None
        else:
            assert made.texture is not None
            assert np.array_equal(made.texture, texture)
        density = templates.density(0, *level)
        bounds = plain_levels.bounds(bitmap[..., 3], *density)
        numbers = (*bitmap.shape[1::-1], *density, *bounds, ["tint", "mix", "multiply"].index(mode), 0.5)
        assert made.numbers == tuple(float(np.float32(number)) for number in numbers)


def test_a_long_thin_stamp() -> None:
    rgba = picture(1, 4096)
    templates = Templates([Template("line", rgba)])
    for level in all_levels(templates):
        assert np.array_equal(templates.bitmap(0, *level), plain_levels.bitmap(rgba, *level))


def test_the_table_only_grows() -> None:
    """Thousands of levels, asked for in any order and by any number of threads, stay where they are."""
    random = np.random.default_rng(0)
    items = [Template(str(i), picture(60 + i % 7, 50 + i % 5), "mix" if i % 3 else "tint", 0.5) for i in range(50)]
    templates = Templates(items)
    table = LevelTable.of_templates(templates)
    assert LevelTable.of_templates(templates) is table
    counts = templates.level_count
    keys = np.array([(t, u, v) for t, (cu, cv) in enumerate(counts.tolist()) for u in range(cu) for v in range(cv)])
    random.shuffle(keys)
    known: dict[tuple[int, ...], tuple[int, Any]] = {}
    for part in np.array_split(keys, 20):
        numbers = table.of(part[:, 0], part[:, 1:], threads=3)
        for key, number in zip(part.tolist(), numbers.tolist(), strict=True):
            known[tuple(key)] = number, table._rows[number].copy()
    assert len(known) == len({number for number, _ in known.values()}) == len(keys) > 7000
    assert (table.of(keys[:, 0], keys[:, 1:]) >= 0).all()
    for key, (number, row) in known.items():
        assert table.numbers[key] == number
        assert table._rows[number] == row


def test_stamps_of_equal_content_share_their_levels() -> None:
    rgba = picture(40, 40)
    first, second = (Templates([Template(name, rgba.copy()), Template(name, rgba.copy())]) for name in "ab")
    tables = [level_tables(templates, number, 3, 3) for templates in (first, second) for number in (0, 1)]
    assert len({made.alpha.ctypes.data for made in tables}) == 1
    others = [Template("c", rgba.copy(), "mix", 0.5), Template("d", rgba.copy(), "mix", 0.6)]
    different = [level_tables(Templates([item]), 0, 3, 3).alpha.ctypes.data for item in others]
    assert len({tables[0].alpha.ctypes.data, *different}) == 3


def test_stamps_that_are_the_same_only_when_reduced_share_nothing() -> None:
    fine, even = np.zeros((2, 64, 64, 4), np.uint8)
    fine[..., 3] = 255 * (np.indices((64, 64)).sum(0) % 2)
    even[..., 3] = 128
    ours, theirs = (Templates([Template("a", Pixels(rgba, needed=16))]) for rgba in (fine, even))
    assert np.array_equal(ours.items[0].source.alpha, theirs.items[0].source.alpha)
    assert not np.array_equal(level_tables(ours, 0, 0, 0).alpha, level_tables(theirs, 0, 0, 0).alpha)


def test_templates_go_with_their_last_user() -> None:
    templates = Templates([Template("a", picture(8, 8))])
    level_tables(templates, 0, 0, 0)
    alive = weakref.ref(templates)
    gc.disable()
    try:
        del templates
        assert alive() is None
    finally:
        gc.enable()


def test_the_least_recently_used_values_are_dropped() -> None:
    recent: Recent[ByteArray] = Recent(100)
    made = []

    def value(key: str) -> ByteArray:
        def make() -> ByteArray:
            made.append(key)
            return np.zeros(40, np.uint8)

        return recent.get(key, make)

    for key in "abacabc":
        value(key)
    assert made == ["a", "b", "c", "b", "c"]
    recent.put("a", np.zeros(101, np.uint8))
    value("b")
    assert made[-1] == "b"


def test_values_may_be_dropped_while_one_is_kept() -> None:
    """Garbage is collected at any time, and what refers to values drops them."""

    class Garbage:
        @property
        def nbytes(self) -> int:
            recent.drop("old")
            return 70

    recent: Recent[Any] = Recent(100)
    recent.put("old", np.zeros(90, np.uint8))
    recent.put("new", Garbage())
    recent.put("newer", np.zeros(30, np.uint8))
    assert [recent.get(key, lambda: None) is None for key in ("new", "newer")] == [False, False]


class TestReduced:
    """Stamps larger than the canvas can show."""

    def load(self, folder: Path, rgba: ByteArray, canvas: int, mode: Mode = "tint", **limits: Any) -> Templates:
        Image.fromarray(rgba).save(folder / "large.png")
        spec = TemplateSpec(str(folder / "large.png"), mode=mode, blend=0.7, limits=Limits(**limits))
        templates = load_templates([spec], canvas)
        assert (spec.width, spec.height) == rgba.shape[1::-1]
        return templates

    @pytest.mark.parametrize("mode", ["tint", "mix"])
    def test_levels_are_nearly_those_of_the_whole(self, tmp_path: Path, mode: Mode) -> None:
        y, x = np.mgrid[-1:1:600j, -1:1:803j]
        alpha = np.clip(20 * (1 - np.hypot(x, y)), 0, 1)
        rgba = np.rint(np.dstack([x**2, y**2, 0.5 + 0.5 * x * y, alpha]) * 255).astype(np.uint8)
        whole, small = Templates([Template("large", rgba, mode, 0.7)]), self.load(tmp_path, rgba, 64, mode)
        assert small.items[0].source.first == 2 * 2  # at least twice 64 texels
        assert small.items[0].source.alpha.shape == (150, 201)
        assert (small.level_count == whole.level_count).all()
        assert small.coverage == whole.coverage
        for level in [(4, 4), (6, 6), (8, 8), (5, 5), (9, 8), (15, 14)]:
            bitmap, exact = small.bitmap(0, *level).astype(int), whole.bitmap(0, *level).astype(int)
            # Other ways to the same size part the texels elsewhere.
            apart = 0 if level == (4, 4) else 1 if level[0] == level[1] and level[0] % 2 == 0 else 8
            assert np.abs(bitmap - exact)[..., 3].max() <= apart
            assert np.abs(bitmap - exact)[exact[..., 3] > 128].max() <= max(apart, 1)
            made, other = (level_tables(templates, 0, *level) for templates in (small, whole))
            assert np.allclose(made.numbers[:4], other.numbers[:4])
            assert np.array_equal(made.alpha, plain_levels.tables(bitmap.astype(np.uint8))[0])

    @pytest.mark.parametrize("mode", ["tint", "mix"])
    def test_finer_levels_come_from_the_file(self, tmp_path: Path, mode: Mode) -> None:
        rgba = picture(300, 200)
        templates = self.load(tmp_path, rgba, 40, mode)
        for level in [(0, 0), (1, 2), (0, 5), (7, 1)]:
            exact = plain_levels.bitmap(rgba, *level)
            assert np.array_equal(templates.bitmap(0, *level), exact)
            assert np.array_equal(level_tables(templates, 0, *level).alpha, plain_levels.tables(exact)[0])

    def test_limits_say_how_much_is_seen(self, tmp_path: Path) -> None:
        rgba = picture(512, 512)
        sizes = [({}, 256), ({"size_range": (0.0, 0.25)}, 64), ({"stretch": 16.0}, 512)]
        for limits, side in sizes:
            templates = self.load(tmp_path, rgba, 128, **limits)  # type: ignore[arg-type]
            assert templates.items[0].source.alpha.shape == (side, side)

    def test_a_changed_file_is_told(self, tmp_path: Path) -> None:
        templates = self.load(tmp_path, picture(64, 64), 64)
        _forget(templates)
        assert np.array_equal(templates.items[0].rgba, picture(64, 64))
        _forget(templates)
        Image.fromarray(picture(65, 64)).save(tmp_path / "large.png")
        with pytest.raises(UserError, match=r"large\.png has changed since it was read"):
            _ = templates.items[0].rgba

    def test_pixels_without_a_file_stay(self) -> None:
        pixels = Pixels(picture(64, 64))
        assert pixels.path is None
        assert np.array_equal(pixels.whole, picture(64, 64))


def _forget(templates: Templates) -> None:
    """Drops pictures that can be read again, as other stamps do where memory is short."""
    from backend.templates import pixels

    pixels._PICTURES.put("large", np.zeros(300 * 2**20, np.uint8))
    assert templates.items
