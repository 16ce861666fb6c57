"""Which engines run here, on what, and how far each is from the reference."""

from __future__ import annotations

import platform
import sys
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .engines import PARAMETERS, Placement, make_rasterizer
from .files import UserError
from .job import ENGINES, SPACES
from .templates import Template, Templates

TOLERANCE = 1e-4
"""Of the image, whose numbers go to 1, and of a parameter's gradient over the greatest gradient of that parameter."""

_WIDTH, _HEIGHT, _COUNT = 96, 64, 60


def examine() -> dict[str, Any]:
    """The versions, and for each engine whether it works, its device and its greatest errors against the reference.

    The cause is given where an engine does not run.
    """
    return {
        "python": platform.python_version(),
        "executable": sys.executable,
        "system": platform.platform(),
        "torch": torch.__version__,
        "engines": [_examine_engine(name) for name in ENGINES if name != "auto"],
    }


def explain(findings: dict[str, Any]) -> str:
    """The findings as lines for people."""
    lines = [
        f"Python {findings['python']} ({findings['executable']}), torch {findings['torch']}",
        f"{findings['system']}",
        "",
        f"{'engine':<10} {'works':<6} {'image':>9} {'gradient':>9}  device",
    ]
    for engine in findings["engines"]:
        errors = "".join(f" {engine[key]:9.1e}" if engine[key] is not None else f" {'-':>9}" for key in _ERRORS)
        works = "yes" if engine["works"] else "no"
        lines.append(f"{engine['name']:<10} {works:<6}{errors}  {engine['device'] or engine['cause']}")
    lines += ["", f"image, gradient: the greatest error against the reference in float64; {TOLERANCE:g} is allowed"]
    return "\n".join(lines)


_ERRORS = ("image_error", "gradient_error")


def _examine_engine(name: str) -> dict[str, Any]:
    result: dict[str, Any] = {"name": name, "works": False, "device": "", "cause": "", **dict.fromkeys(_ERRORS)}
    try:
        worst = [_errors(name, space) for space in SPACES]
        result["device"] = make_rasterizer(name, _templates(), 1, 1).device
    except UserError as error:
        return {**result, "cause": error.message}
    image, gradient = (max(errors) for errors in zip(*worst, strict=True))
    works = image <= TOLERANCE and gradient <= TOLERANCE
    return {**result, "works": works, "image_error": image, "gradient_error": gradient}


def _errors(name: str, space: str) -> tuple[float, float]:
    """The engine's greatest errors of the image and of a gradient, in float32 against the reference in float64."""
    templates = _templates()
    params, placement, background, cotangent = _scene(templates)
    pairs = []
    for engine, dtype in ((name, torch.float32), ("reference", torch.float64)):
        rasterizer = make_rasterizer(engine, templates, _HEIGHT, _WIDTH, space=space, dtype=dtype)
        image, _ = rasterizer.forward(params.to(dtype), placement, background.to(dtype))
        gradient = rasterizer.backward(params.to(dtype), placement, background.to(dtype), cotangent.to(dtype))
        pairs.append((image.double(), gradient.double()))
    (image, gradient), (true_image, true_gradient) = pairs
    greatest = true_gradient.abs().amax(0)
    error = (gradient - true_gradient).abs().amax(0) / greatest
    return float((image - true_image).abs().max()), float(error.max())


def _scene(templates: Templates) -> tuple[Tensor, Placement, Tensor, Tensor]:
    """Random primitives, their placement, a background and a cotangent of the image: the same each time."""
    generator = torch.Generator().manual_seed(1)
    random = torch.rand(_COUNT, len(PARAMETERS), generator=generator)
    low = torch.tensor([0.0, 0.0, 2.0, 0.6, -3.0, 0.1, 0.0, 0.0, 0.0])
    high = torch.tensor([_WIDTH, _HEIGHT, 20.0, 1.6, 3.0, 0.9, 1.0, 1.0, 1.0])
    params = low + (high - low) * random
    template = torch.arange(_COUNT) % len(templates)
    level = templates.choose_levels(template, params[:, 2], params[:, 3])
    placement = Placement(template, level, torch.arange(_COUNT) % 3 == 0)
    background = torch.rand(3, _HEIGHT, _WIDTH, generator=generator)
    return params, placement, background, torch.rand(3, _HEIGHT, _WIDTH, generator=generator) - 0.5


def _templates() -> Templates:
    """A soft disc and a coloured bar, in all three modes."""
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    disc = np.clip(2.0 - 2.0 * np.hypot(x, y), 0, 1)
    bar = np.clip(2.0 - 2.0 * np.maximum(np.abs(x), 2.0 * np.abs(y)), 0, 1)
    texture = np.stack([0.5 + 0.5 * np.sin(3 * x), 0.5 + 0.5 * np.cos(4 * y), 0.5 + 0.4 * x * y], 2)
    shapes = [np.rint(255 * np.dstack([texture, alpha])).astype(np.uint8) for alpha in (disc, bar)]
    return Templates(
        [
            Template("disc", shapes[0]),
            Template("bar", shapes[1], "mix", 0.6),
            Template("bar", shapes[1], "multiply", 0.7),
        ]
    )
