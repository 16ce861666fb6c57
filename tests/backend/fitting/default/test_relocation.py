"""Candidates: where they are drawn, what they may be, and that their gain is what they bring."""

from __future__ import annotations

import numpy as np
import pytest

from backend.engines.cpu import CpuEngine
from backend.engines.interface import Placement, Scores
from backend.fitting.constraints.limits import StampLimits
from backend.fitting.default.choice import Choice
from backend.fitting.default.drawing import Drawer
from backend.fitting.default.orientation import edge_step, edges, long_axes
from backend.fitting.default.relocation import Candidates, CandidateSearch
from backend.fitting.random import Random
from backend.fitting.recipe import DEFAULT
from backend.job import Limits
from backend.native.arrays import BoolArray, FloatArray, IntArray
from backend.pictures.color import decode, encode
from backend.templates import Template, Templates
from tests.backend.support.twins.drawing import Drawn, TwinDrawer

SIZE = 96


def disc(limits: Limits | None = None) -> Template:
    y, x = (np.mgrid[:32, :32] + 0.5) / 16 - 1
    alpha = np.clip((0.95 - np.hypot(x, y)) * 16, 0, 1) * 255
    return Template("disc", np.dstack([np.zeros((32, 32, 3)), alpha]).astype(np.uint8), limits=limits or Limits())


def upright() -> Template:
    """A bar across the square, which is higher than wide."""
    rgba = np.zeros((32, 32, 4), np.uint8)
    rgba[:, 12:20] = 255
    return Template("upright", rgba)


class Case:
    """A gray picture, and a target with a dark square in one corner of it."""

    def __init__(self, templates: Templates, space: str = "display", palette: FloatArray | None = None) -> None:
        self.templates, self.linear = templates, space == "linear"
        self.engine = CpuEngine(templates, SIZE, SIZE, space=space)
        self.target = np.full((3, SIZE, SIZE), 0.6, np.float32)
        self.target[:, 60:80, 10:40] = np.array([0.1, 0.2, 0.3])[:, None, None]
        self.weight = np.ones((SIZE, SIZE), np.float32)
        plain = np.full((3, SIZE, SIZE), 0.6, np.float32)
        nothing = Placement(np.zeros(0, np.int64), np.zeros((0, 2), np.int64), np.zeros(0, np.bool_))
        background = decode(plain) if self.linear else plain
        none = np.zeros((0, 9), np.float32)
        self.scores = self.engine.scored_step(none, nothing, background, self.target, self.weight)[2]
        limits = StampLimits(templates, SIZE, SIZE, 1.0)
        self.choice = Choice(templates, limits, np.ones(len(templates), np.int64), palette)

    def find(self, seed: int = 0) -> tuple[CandidateSearch, Scores]:
        search = CandidateSearch(
            self.engine,
            self.target,
            self.weight,
            self.choice,
            DEFAULT,
            Random(seed),
            spacing=12.0,
            linear=self.linear,
        )
        return search, self.scores


@pytest.mark.parametrize("space", ["display", "linear"])
def test_the_best_candidate_lies_on_the_error_in_its_color(space: str) -> None:
    case = Case(Templates([disc()]), space)
    search, scores = case.find(seed=7)
    found = search.find(scores, 8, 1.0)
    best = found[found.best(1)]
    assert 10 < best.params[0, 0] < 40
    assert 60 < best.params[0, 1] < 80
    # It is not opaque, which a darker color makes up for; where it reaches over the edge, it is a compromise.
    goal, gray = np.array([0.1, 0.2, 0.3], np.float32), np.full(1, 0.6, np.float32)
    if case.linear:
        goal, gray = decode(goal), decode(gray)
    opacity = DEFAULT.candidate_opacity
    expected = ((goal - (1 - opacity) * gray) / opacity).clip(0.0)
    assert np.allclose(best.params[0, 6:], encode(expected) if case.linear else expected, atol=0.1)


@pytest.mark.parametrize("space", ["display", "linear"])
def test_a_gain_is_what_the_loss_falls_by(space: str) -> None:
    case = Case(Templates([disc()]), space)
    search, scores = case.find()
    found = search.find(scores, 4, 1.0)
    best = found[found.best(3)]
    for number in range(3):
        params = best.params[[number]]
        if case.linear:
            params[:, 6:] = decode(params[:, 6:])
        level = case.templates.choose_levels(best.template[[number]], params[:, 2], params[:, 3])
        placement = Placement(best.template[[number]], level, best.mirror[[number]])
        after = case.engine.step(params, placement, scores.image, case.target, case.weight)[0]
        assert float(scores.loss_map.sum()) - after == pytest.approx(float(best.gain[number]), rel=1e-4)


def test_candidates_keep_their_limits() -> None:
    limits = Limits(stretch=1.5, size_range=(0.1, 0.15), rotation_range=(0.0, 0.3), opacity_range=(1.0, 1.0))
    case = Case(Templates([disc(limits)]))
    search, scores = case.find()
    params = search.find(scores, 8, 1.0).params
    bounds = case.choice.limits.bounds(np.zeros(len(params), np.int64))
    assert (params >= bounds.low).all()
    assert (params <= bounds.high).all()


def test_candidates_have_colors_of_the_palette() -> None:
    palette = np.array([[0.0, 0.0, 0.0], [0.1, 0.2, 0.3], [1.0, 1.0, 1.0]], np.float32)
    case = Case(Templates([disc()]), palette=palette)
    search, scores = case.find()
    found = search.find(scores, 8, 1.0)
    assert np.array_equal(found.params[found.best(1)[0], 6:], palette[1])
    assert all(color in palette.tolist() for color in found.params[:, 6:].tolist())


def test_the_template_that_fits_gains_most() -> None:
    case = Case(Templates([disc(), upright()]))
    # The dark square is longer than high: the bar, turned, is better than the disc.
    search, scores = case.find()
    found = search.find(scores, 16, 1.0)
    assert set(found.template.tolist()) == {0, 1}


def test_edges_have_a_direction_and_flat_areas_none() -> None:
    rows, columns = np.mgrid[:64, :64]
    # An edge from the upper left to the lower right.
    image = np.broadcast_to(columns > rows, (3, 64, 64)).astype(np.float32)
    twin = drawers(edges(image, 2.0), Case(Templates([disc()])).choice)[1]
    coherence, angle = twin.directions(np.array([32 * 64 + 32, 5 * 64 + 60]))
    assert coherence[0] > 0.9
    assert np.tan(angle[0]) == pytest.approx(1.0, abs=0.05)
    assert coherence[1] < 0.01


def test_a_reduced_tensor_has_the_same_edges() -> None:
    rows, columns = np.mgrid[:131, :150] / 20.0
    target = np.stack([np.sin(columns + 0.4 * rows), np.cos(2.0 * rows), np.sin(columns * rows / 4.0)]).astype(
        np.float32
    )
    whole, small = edges(target, 4.0), edges(target, 4.0, 2)
    assert small.shape == (3, 66, 75)
    middles = (whole[:, :-1:2, ::2] + whole[:, 1::2, ::2] + whole[:, :-1:2, 1::2] + whole[:, 1::2, 1::2]) / 4.0
    inner = (
        slice(None),
        slice(8, 57),
        slice(8, 67),
    )  # the picture's ends, where there are no slopes, are as wide as 2 px
    assert np.abs(small[:, :65] - middles)[inner].max() < 0.01 * whole.max()


def test_the_tensor_is_reduced_where_it_is_smooth() -> None:
    steps = {sigma: edge_step(sigma) for sigma in (1.0, 2.9, 3.0, 3.2, 5.9, 6.1, 50.0)}
    assert steps == {1.0: 1, 2.9: 1, 3.0: 2, 3.2: 2, 5.9: 2, 6.1: 4, 50.0: 32}


def test_candidates_read_a_reduced_tensor_at_their_pixel() -> None:
    choice, random = Case(Templates([disc(), upright()])).choice, Random(3)
    tensor = edges(random.uniform(3, 41, 30), 2.0, 2)
    each = tensor.repeat(2, 1).repeat(2, 2)[:, :41, :29]
    loss = random.uniform(41, 29)
    own, twin = (
        Drawer(plane, choice, DEFAULT, Random(0, 3), spacing=12.0, shrink=1, step=step).draw(loss, 300)
        for plane, step in ((tensor, 2), (each, 1))
    )
    assert_candidates_agree(own, (twin[0].astype(np.float64), *twin[1:]))


def drawers(tensor: FloatArray, choice: Choice, seed: int = 0) -> tuple[Drawer, TwinDrawer]:
    one, other = Random(seed, 3), Random(seed, 3)
    return (
        Drawer(tensor, choice, DEFAULT, one, spacing=12.0, shrink=2),
        TwinDrawer(tensor, choice, DEFAULT, other, spacing=12.0, shrink=2),
    )


def assert_candidates_agree(own: tuple[FloatArray, IntArray, BoolArray], twins: Drawn) -> None:
    """Asserts that the numbers agree, each to the rounding of a float of its size (positions are below 200 px)."""
    assert np.allclose(own[0], twins[0], rtol=3e-6, atol=3e-5)
    assert np.array_equal(own[1], twins[1])
    assert np.array_equal(own[2], twins[2])


@pytest.mark.parametrize("seed", [0, 1])
def test_candidates_are_those_of_the_twin(seed: int) -> None:
    kinds = [
        disc(Limits(stretch=1.5, size_range=(0.1, 0.15), rotation_range=(0.0, 0.3), mirror=True)),
        upright(),
        disc(Limits(mirror=True)),
    ]
    case = Case(Templates(kinds))
    choice = Choice(case.templates, case.choice.limits, np.array([5, 1, 3]))
    random = Random(seed)
    picture = random.uniform(3, SIZE, SIZE - 7)
    loss = random.uniform(SIZE, SIZE - 7)
    loss[20:40] = 0.0
    own, twin = drawers(edges(picture, 1.5), choice, seed)
    drawn = own.draw(loss, 500)
    assert_candidates_agree(drawn, twin.draw(loss, 500))
    for reach in (0.5, 0.2):
        assert_candidates_agree(own.vary(*drawn, reach), twin.vary(*drawn, reach))


def test_candidates_lie_where_the_error_is() -> None:
    loss = np.zeros((SIZE, SIZE), np.float32)
    loss[70, 30], loss[10, 90] = 3.0, 1.0
    choice = Case(Templates([disc()])).choice
    params = drawers(np.zeros((3, SIZE, SIZE), np.float32), choice)[0].draw(loss, 4000)[0]
    near = np.abs(params[:, :2] / 2 - [30.5, 70.5]).max(1) < 5
    assert near.mean() == pytest.approx(0.75, abs=0.04)  # six deviations of sqrt(0.75 * 0.25 / 4000)


def test_no_error_at_all_is_no_error() -> None:
    choice = Case(Templates([disc()])).choice
    drawer = drawers(np.zeros((3, 5, 7), np.float32), choice)[0]
    for value in (0.0, np.nan):
        assert np.isfinite(drawer.draw(np.full((5, 7), value, np.float32), 50)[0]).all()


def test_long_axes() -> None:
    axes = long_axes(Templates([disc(), upright()]))
    assert float(axes[0]) == 0.0
    assert abs(float(axes[1])) == pytest.approx(np.pi / 2)


def test_the_seed_decides() -> None:
    case = Case(Templates([disc()]))
    one, again, other = (
        search.find(scores, 4, 1.0).params for search, scores in (case.find(seed=s) for s in (1, 1, 2))
    )
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_the_best_come_first_and_equal_ones_in_order() -> None:
    gain = np.array([1, 3, 2, 3, np.nan], np.float32)
    params, template = np.zeros((5, 9), np.float32), np.arange(5)
    some = Candidates(params, template, np.zeros(5, np.bool_), gain)
    assert some.best(3).tolist() == [1, 3, 2]
    others = Candidates(params[:2] + 1, template[:2] + 10, np.ones(2, np.bool_), np.array([5, 1], np.float32))
    some.replace_worse(np.array([2, 3]), others)
    assert some.gain[:4].tolist() == [1, 3, 5, 3]
    assert some.template.tolist() == [0, 1, 10, 3, 4]
    assert some.mirror.tolist() == [False, False, True, False, False]
    assert params[:, 0].tolist() == [0, 0, 1, 0, 0]


def test_fewer_candidates_are_no_error() -> None:
    case = Case(Templates([disc()]))
    search = case.find()[0]
    assert len(search.find(case.scores, 1, 1.0).gain) <= DEFAULT.candidates
