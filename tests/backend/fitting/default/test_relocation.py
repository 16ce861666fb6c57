"""Candidates: where they are drawn, what they may be, and that their gain is what they bring."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from backend.engines.cpu import CpuRasterizer
from backend.engines.interface import Placement, Scores
from backend.fitting.constraints.limits import StampLimits
from backend.fitting.default.orientation import Edges, long_axes
from backend.fitting.default.relocation import CandidateSearch, Choice
from backend.fitting.recipe import DEFAULT
from backend.job import Limits
from backend.pictures.color import decode, encode
from backend.templates import Template, Templates

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

    def __init__(self, templates: Templates, space: str = "display", palette: Tensor | None = None) -> None:
        self.templates, self.linear = templates, space == "linear"
        self.engine = CpuRasterizer(templates, SIZE, SIZE, space=space)
        self.target = torch.full((3, SIZE, SIZE), 0.6)
        self.target[:, 60:80, 10:40] = torch.tensor([0.1, 0.2, 0.3])[:, None, None]
        self.weight = torch.full((SIZE, SIZE), 1.0)
        plain = torch.full((3, SIZE, SIZE), 0.6)
        nothing = Placement(*(torch.zeros(0, *shape, dtype=torch.int64) for shape in ((), (2,), ())))
        background = decode(plain) if self.linear else plain
        self.scores = self.engine.scored_step(torch.zeros(0, 9), nothing, background, self.target, self.weight)[2]
        limits = StampLimits(templates, SIZE, SIZE, 1.0)
        self.choice = Choice(templates, limits, torch.ones(len(templates)), palette)

    def find(self, seed: int = 0) -> tuple[CandidateSearch, Scores]:
        generator = torch.Generator().manual_seed(seed)
        search = CandidateSearch(
            self.engine,
            self.target,
            self.weight,
            self.choice,
            DEFAULT,
            generator,
            spacing=12.0,
            linear=self.linear,
        )
        return search, self.scores


@pytest.mark.parametrize("space", ["display", "linear"])
def test_the_best_candidate_lies_on_the_error_in_its_color(space: str) -> None:
    case = Case(Templates([disc()]), space)
    search, scores = case.find()
    found = search.find(scores, 8, 1.0)
    best = found[found.best(1)]
    assert 10 < best.params[0, 0] < 40
    assert 60 < best.params[0, 1] < 80
    # It is not opaque, which a darker color makes up for; where it reaches over the edge, it is a compromise.
    goal, gray = torch.tensor([0.1, 0.2, 0.3]), torch.tensor(0.6)
    if case.linear:
        goal, gray = decode(goal), decode(gray)
    opacity = DEFAULT.candidate_opacity
    expected = ((goal - (1 - opacity) * gray) / opacity).clamp_min(0.0)
    assert torch.allclose(best.params[0, 6:], encode(expected) if case.linear else expected, atol=0.1)


@pytest.mark.parametrize("space", ["display", "linear"])
def test_a_gain_is_what_the_loss_falls_by(space: str) -> None:
    case = Case(Templates([disc()]), space)
    search, scores = case.find()
    found = search.find(scores, 4, 1.0)
    best = found[found.best(3)]
    for number in range(3):
        params = best.params[[number]].clone()
        if case.linear:
            params[:, 6:] = decode(params[:, 6:])
        level = case.templates.choose_levels(best.template[[number]], params[:, 2], params[:, 3])
        placement = Placement(best.template[[number]], level, best.mirror[[number]])
        after = case.engine.step(params, placement, scores.image, case.target, case.weight)[0].item()
        assert float(scores.loss_map.sum()) - after == pytest.approx(float(best.gain[number]), rel=1e-4)


def test_candidates_keep_their_limits() -> None:
    limits = Limits(stretch=1.5, size_range=(0.1, 0.15), rotation_range=(0.0, 0.3), opacity_range=(1.0, 1.0))
    case = Case(Templates([disc(limits)]))
    search, scores = case.find()
    params = search.find(scores, 8, 1.0).params
    bounds = case.choice.limits.bounds(torch.zeros(len(params), dtype=torch.int64))
    assert (params >= bounds.low).all()
    assert (params <= bounds.high).all()


def test_candidates_have_colors_of_the_palette() -> None:
    palette = torch.tensor([[0.0, 0.0, 0.0], [0.1, 0.2, 0.3], [1.0, 1.0, 1.0]])
    case = Case(Templates([disc()]), palette=palette)
    search, scores = case.find()
    found = search.find(scores, 8, 1.0)
    assert torch.equal(found.params[found.best(1)[0], 6:], palette[1])
    assert all(color in palette.tolist() for color in found.params[:, 6:].tolist())


def test_the_template_that_fits_gains_most() -> None:
    case = Case(Templates([disc(), upright()]))
    # The dark square is longer than high: the bar, turned, is better than the disc.
    search, scores = case.find()
    found = search.find(scores, 16, 1.0)
    assert set(found.template.tolist()) == {0, 1}


def test_edges_have_a_direction_and_flat_areas_none() -> None:
    rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    # An edge from the upper left to the lower right.
    image = ((columns - rows) > 0).float().expand(3, 64, 64)
    edges = Edges(image, 2.0)
    assert edges.coherence[32, 32] > 0.9
    assert torch.tan(edges.angle[32, 32]) == pytest.approx(1.0, abs=0.05)
    assert edges.coherence[5, 60] < 0.01


def test_long_axes() -> None:
    axes = long_axes(Templates([disc(), upright()]))
    assert float(axes[0]) == 0.0
    assert abs(float(axes[1])) == pytest.approx(np.pi / 2)


def test_the_seed_decides() -> None:
    case = Case(Templates([disc()]))
    one, again, other = (
        search.find(scores, 4, 1.0).params for search, scores in (case.find(seed=s) for s in (1, 1, 2))
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_fewer_candidates_are_no_error() -> None:
    case = Case(Templates([disc()]))
    search = case.find()[0]
    assert len(search.find(case.scores, 1, 1.0).gain) <= DEFAULT.candidates
