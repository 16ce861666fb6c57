"""Layouts that no one would think of, and what must hold for an engine that draws them."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor

from backend.engines.interface import PARAMETERS, Variables
from backend.engines.reference import ReferenceRasterizer
from backend.engines.tensors import Placement, Rasterizer, Scores
from backend.fitting.recipe import DEFAULT
from backend.templates import Template, Templates
from tests.backend.engines.support.levels import choose_levels
from tests.backend.support.pictures import block, soft_disc

# See test_engines.py.
IMAGE_TOLERANCE = 4e-6

TINY = [(1, 1), (16, 16), (17, 1)]
SMALL = [*TINY, (1, 40), (33, 50)]
LARGE = [*SMALL, *SMALL, (1, 8192), (8192, 1), (70, 90)]
COUNTS = [0, 1, 2, 9]
MANY = [*COUNTS, 60]
CHEAP = ["soft", "tinted", "texel"]
COSTLY = [*CHEAP, "large", "long"]
SIDE = 4096
"""The longest side of a stamp that a fit takes, px."""

KINDS = ("sane", "wild", "huge", "tiny", "far and thin", "one pixel")
_SPECIAL = torch.tensor(
    [0.0, -0.0, 1.0, -1.0, 1e-38, 1e-45, 3.4e38, -3.4e38, 2.0**24, torch.inf, -torch.inf, torch.nan]
)
_RULE = DEFAULT.adam_rule(spacing=9.0, iterations=100)


@dataclass(frozen=True)
class Case:
    """A scene for an engine, by a few words, so that a failure can be read and repeated."""

    stamps: str  # of `stamps`
    size: tuple[int, int]  # height, width, px
    space: str
    kind: str  # of KINDS
    count: int
    seed: int
    coarse: bool  # whether levels fit the sizes, instead of any levels
    wild_planes: bool  # whether the background, the target and the weights hold numbers of any size
    replaced: tuple[tuple[int, int, float], ...]  # primitive, column, value


def cases(sizes: list[tuple[int, int]], counts: list[int], names: list[str]) -> st.SearchStrategy[Case]:
    """Draws cases on canvases of these sizes, of these numbers of primitives, with stamps of these names."""
    cell = st.tuples(st.integers(0, max(counts)), st.integers(0, 8), st.floats(width=32))
    return st.builds(
        Case,
        stamps=st.sampled_from(names),
        size=st.sampled_from(sizes),
        space=st.sampled_from(["display", "linear"]),
        kind=st.sampled_from(KINDS),
        count=st.sampled_from(counts),
        seed=st.integers(0, 2**32 - 1),
        coarse=st.booleans(),
        wild_planes=st.sampled_from([False, False, False, True]),
        replaced=st.lists(cell, max_size=3).map(tuple),
    )


@functools.cache
def stamps(name: str) -> Templates:
    """Stamps of one texel to SIDE, of all color modes."""
    rgba = soft_disc(96, 128, edge=8, slope=2)
    texel = np.full((1, 1, 4), 200, np.uint8)
    modes: list[tuple[str, float]] = [("tint", 0.0), ("multiply", 0.7), ("mix", 0.4)]
    if name == "large":
        return Templates([Template("large", np.full((SIDE, SIDE, 4), 200, np.uint8))])
    if name == "long":
        sides = [(1, SIDE), (SIDE, 3), (2, SIDE)]
        pictures = [np.full((*side, 4), 200, np.uint8) for side in sides]
        return Templates([Template(m, p, m, blend) for p, (m, blend) in zip(pictures, modes, strict=True)])
    if name == "tinted":
        return Templates([Template("flat", rgba), block(20, 6, "narrow")])
    return Templates([Template(m, rgba if name == "soft" else texel, m, blend) for m, blend in modes])


@dataclass
class Scene:
    """The tensors of a case."""

    params: Tensor
    placement: Placement
    planes: tuple[Tensor, Tensor, Tensor]  # background, target [3, H, W], weight [H, W]
    orderly: bool  # whether all primitives are sane


def scene(case: Case) -> Scene:
    """Makes the tensors of a case."""
    random = torch.Generator().manual_seed(case.seed)
    templates, count = stamps(case.stamps), case.count
    params = _params(case, random)
    for row, column, value in case.replaced[: count and None]:
        params[row % count, column] = value
    template = torch.randint(0, len(templates), (count,), generator=random)
    # Finer levels of a large stamp take seconds to make; its own pixels are the hardest case.
    level = torch.zeros(count, 2, dtype=torch.int64)
    if case.stamps != "large":
        level = (torch.rand(count, 2, generator=random) * torch.from_numpy(templates.level_count)[template]).long()
        if case.coarse or case.kind == "sane":
            scale, aspect = params[:, 2:4].nan_to_num(1.0).clamp(1e-3, 1e6).unbind(1)
            level = choose_levels(templates, template, scale, aspect)
    placement = Placement(template, level, torch.rand(count, generator=random) < 0.5)
    planes = torch.rand(7, *case.size, generator=random)
    if case.wild_planes:
        planes = torch.where(planes < 0.1, _wild(planes.shape, random), planes)
    # Stamps of thousands of texels on a few pixels magnify the rounding of single precision.
    orderly = case.kind == "sane" and not (case.replaced or case.wild_planes or case.stamps in ("large", "long"))
    return Scene(params, placement, (planes[:3], planes[3:6], planes[6]), orderly)


def _params(case: Case, random: torch.Generator) -> Tensor:
    height, width = case.size
    count = case.count
    params = torch.rand(count, len(PARAMETERS), generator=random)
    params[:, :2] = params[:, :2] * (torch.tensor([width, height]) + 30) - 15
    params[:, 2] = 3 + 20 * params[:, 2]
    params[:, 3] = 0.5 + 1.5 * params[:, 3]
    params[:, 4] = 7 * params[:, 4] - 3.5
    if case.kind == "wild":
        mixed = torch.rand(count, len(PARAMETERS), generator=random) < 0.3
        params = torch.where(mixed, _wild(params.shape, random), params)
    elif case.kind == "huge":
        params[:, 2] *= 10.0 ** (36 * torch.rand(count, generator=random))
    elif case.kind == "tiny":
        params[:, 2] *= 10.0 ** (-12 * torch.rand(count, generator=random))
        params[:, 3] = 10.0 ** (6 * torch.rand(count, generator=random) - 3)
    elif case.kind == "one pixel":
        params[:, :2], params[:, 2] = 0.5, 0.5
    elif case.kind == "far and thin":
        _stretch_from_afar(params, stamps(case.stamps), random)
    return params


def _stretch_from_afar(params: Tensor, templates: Templates, random: torch.Generator) -> None:
    """Puts primitives far away and makes them so long that they reach the canvas, and thinner than a texel."""
    away, dense = torch.rand(2, len(params), dtype=torch.float64, generator=random)
    distance, angle = 10.0 ** (4 + 12 * away), params[:, 4].double()
    long, thin = 3 * distance, float(templates.longer_side.max()) / 2 / 10.0 ** (1 + 5 * dense)
    params[:, 0] = (params[:, 0] - distance * angle.cos()).float()
    params[:, 1] = (params[:, 1] - distance * angle.sin()).float()
    params[:, 2], params[:, 3] = (long * thin).sqrt().float(), (long / thin).float()


def _wild(shape: torch.Size, random: torch.Generator) -> Tensor:
    """Numbers of any size, and what are none."""
    sign = torch.randint(0, 2, shape, generator=random) * 2 - 1
    sizes = 10.0 ** (torch.rand(shape, generator=random) * 83 - 45)
    special = _SPECIAL[torch.randint(0, len(_SPECIAL), shape, generator=random)]
    return torch.where(torch.rand(shape, generator=random) < 0.3, special, sign * sizes)


def examine(case: Case, engine: Rasterizer) -> None:
    """Calls all of an engine's methods on a case, and compares the pictures of sane cases with the reference."""
    given = scene(case)
    background, target, weight = given.planes
    placed = (given.params, given.placement)
    image, alpha = engine.forward(*placed, background)
    shares = given.params[:, 5:]
    if given.params.isfinite().all() and bool(((shares >= 0) & (shares <= 1)).all()) and not case.wild_planes:
        assert image.isfinite().all()
        assert image.min() > -1e-4
        assert image.max() < 1 + 1e-4
        assert alpha.min() > -1e-4
        assert alpha.max() < 1 + 1e-4
    assert engine.backward(*placed, background, target, weight).shape == given.params.shape
    for loss in ("mse", "l1"):
        assert engine.step(*placed, background, target, weight, loss)[1].shape == given.params.shape
    scores = engine.scored_step(*placed, background, target, weight)[2]
    _examine_candidates(given, scores, engine)
    _examine_iteration(given, engine)
    if given.orderly:
        templates = stamps(case.stamps)
        truth = ReferenceRasterizer(templates, *case.size, space=case.space, threads=1, dtype=torch.float64)
        true_image, true_alpha = truth.forward(*placed, background)
        assert (image - true_image).abs().max() < IMAGE_TOLERANCE
        assert (alpha - true_alpha).abs().max() < IMAGE_TOLERANCE


def _examine_candidates(given: Scene, scores: Scores, engine: Rasterizer) -> None:
    count = len(given.params)
    placed, weight = (given.params, given.placement), given.planes[2]
    solutions = engine.solve_on_top(*placed, scores.image, scores.target, weight.expand(3, -1, -1))
    assert solutions.constant.shape == (count,)
    assert engine.gains_on_top(*placed, scores, weight).shape == (count,)


def _examine_iteration(given: Scene, engine: Rasterizer) -> None:
    """Makes two steps of a fit, where the engine has them, of variables without bounds."""
    iteration = engine.iteration(len(given.params), _RULE)
    if iteration is None:
        return
    free = given.params.numpy()
    zero = np.zeros_like(free)
    variables = Variables(free, zero, zero, zero[:, :1], zero - np.float32(np.inf), zero + np.float32(np.inf), zero > 0)
    iteration.load(variables, given.placement.template.numpy(), given.placement.mirror.numpy())
    background, target, weight = (plane.numpy() for plane in given.planes)
    for scored in (False, True):
        iteration.run(background, target, weight, rate=1.0, bias=1.0, limited=False, scored=scored)
