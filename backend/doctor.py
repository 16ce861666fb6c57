"""The self-test: which engines run here, on which device, and how close each is to the reference."""

from __future__ import annotations

import platform
import sys
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .engines import make_rasterizer
from .engines.interface import PARAMETERS, Placement, Variables
from .fitting.constraints.limits import Bounds
from .fitting.optimizer import Optimizer
from .fitting.recipe import DEFAULT
from .job import ENGINES, SPACES, Settings, UserError
from .templates import Template, Templates

IMAGE_TOLERANCE = 1e-5
"""The greatest allowed error of the image, whose values go to 1."""
GRADIENT_TOLERANCE = 1e-4
"""The greatest allowed error of gradients and steps, relative to the greatest value of the parameter."""

_WIDTH, _HEIGHT, _COUNT = 96, 64, 60


def examine() -> dict[str, Any]:
    """Returns the versions and, for each engine, whether it works, its device, and its greatest errors.

    An engine that does not run has a cause instead. CUDA has an entry per card.
    """
    truth = {space: _results("reference", space, torch.float64) for space in SPACES}
    names = [*_cards(), *(name for name in ENGINES if name not in ("auto", "cuda"))]
    return {
        "python": platform.python_version(),
        "executable": sys.executable,
        "system": platform.platform(),
        "torch": torch.__version__,
        "engines": [_examine_engine(name, truth) for name in names],
    }


def is_sound(findings: dict[str, Any]) -> bool:
    """Whether an engine besides the reference works, and none is wrong."""
    engines = findings["engines"]
    right = all(engine["works"] or engine["cause"] for engine in engines)
    return right and any(engine["works"] and engine["name"] != "reference" for engine in engines)


def explain(findings: dict[str, Any]) -> str:
    """Formats the findings as a table."""
    columns = ("image", *PARAMETERS, "steps")
    lines = [
        f"Python {findings['python']} ({findings['executable']}), torch {findings['torch']}",
        f"{findings['system']}",
        "",
        *(_sentence(engine) for engine in findings["engines"]),
        "",
        f"{'':<10}" + "".join(f"{name:>9}" for name in columns),
    ]
    for engine in findings["engines"]:
        if engine["image_error"] is not None:
            errors = (engine["image_error"], *engine["gradient_errors"].values(), engine["step_error"])
            numbers = (f"{'-':>9}" if error is None else f"{error:9.1e}" for error in errors)
            lines.append(f"{engine['name']:<10}" + "".join(numbers))
    lines += [
        "",
        "Greatest errors against the reference in float64. Errors of gradients, and of whole steps if the engine makes",
        "them, are relative to the greatest value of the parameter. "
        f"Limits: {IMAGE_TOLERANCE:g} for the image, {GRADIENT_TOLERANCE:g} for the others.",
    ]
    return "\n".join(lines)


def _sentence(engine: dict[str, Any]) -> str:
    if engine["works"]:
        return f"{engine['name']:<10} works: {engine['device']}"
    if engine["cause"]:
        return f"{engine['name']:<10} does not run: {engine['cause']}"
    return f"{engine['name']:<10} differs too much from the reference; do not use it: {engine['device']}"


def _cards() -> list[str]:
    """The names of the CUDA engine, once per card; without a card, once to show the cause."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return [f"cuda:{index}" for index in range(count)] or ["cuda"]


_Results = tuple[Tensor, Tensor]
"""The image [3, H, W] and the gradients of backward and step [2, N, 9], float64 on the CPU."""


def _examine_engine(name: str, truth: dict[str, _Results]) -> dict[str, Any]:
    result: dict[str, Any] = {"name": name, "works": False, "device": "", "cause": ""}
    result |= {"image_error": None, "gradient_error": None, "gradient_errors": {}, "step_error": None}
    try:
        result["device"] = make_rasterizer(name, _templates(), 1, 1).device
        found = [_errors(_results(name, space, torch.float32), truth[space]) for space in SPACES]
        steps = [error for space in SPACES if (error := _step_error(name, space)) is not None]
    except UserError as error:
        return {**result, "cause": error.message}
    except (torch.AcceleratorError, torch.OutOfMemoryError) as error:
        # The card failed during its examination; go on with the other engines.
        return {**result, "cause": str(error).partition("\n")[0]}
    image = max(image for image, _ in found)
    gradients = {name: max(errors[i] for _, errors in found) for i, name in enumerate(PARAMETERS)}
    worst = max(gradients.values())
    step = max(steps) if steps else None
    works = image <= IMAGE_TOLERANCE and worst <= GRADIENT_TOLERANCE and (step is None or step <= GRADIENT_TOLERANCE)
    result |= {"image_error": image, "gradient_error": worst, "gradient_errors": gradients, "step_error": step}
    return {**result, "works": works}


def _errors(found: _Results, truth: _Results) -> tuple[float, list[float]]:
    """The greatest errors of the image, and of the gradients of each parameter; infinite for NaN."""
    (image, gradients), (true_image, true_gradients) = found, truth
    greatest = true_gradients.abs().amax(1, keepdim=True)
    error = ((gradients - true_gradients).abs() / greatest).nan_to_num(torch.inf).amax((0, 1))
    return float((image - true_image).abs().nan_to_num(torch.inf).max()), error.tolist()


def _results(name: str, space: str, dtype: torch.dtype) -> _Results:
    """Runs forward, backward and a fused step on the scene."""
    templates = _templates()
    # One thread: in such a small scene PyTorch's threads only wait for each other.
    rasterizer = make_rasterizer(name, templates, _HEIGHT, _WIDTH, space=space, dtype=dtype, threads=1)
    device = rasterizer.torch_device
    params, placement, background, cotangent, target = _scene(templates)
    placement = Placement(*(tensor.to(device) for tensor in vars(placement).values()))
    given = (params.to(device, dtype), placement, background.to(device, dtype))
    image, _ = rasterizer.forward(*given)
    backward = rasterizer.backward(*given, cotangent.to(device, dtype))
    weight = torch.ones(_HEIGHT, _WIDTH, dtype=dtype, device=device)
    _, step = rasterizer.step(*given, target.to(device, dtype), weight)
    return image.double().cpu(), torch.stack([backward, step]).double().cpu()


def _step_error(name: str, space: str) -> float | None:
    """The greatest relative error of whole steps against the reference and the optimizer; None if PyTorch makes them.

    Each kind of step runs three times from the same start: launched, recorded and replayed.
    """
    templates = _templates()
    rasterizer = make_rasterizer(name, templates, _HEIGHT, _WIDTH, space=space, threads=1)
    rule = DEFAULT.adam_rule((_HEIGHT * _WIDTH / _COUNT) ** 0.5, Settings().iterations)
    iteration = rasterizer.iteration(_COUNT, rule)
    if iteration is None:
        return None
    params, placement, background, _, target = _scene(templates)
    weight = torch.ones(_HEIGHT, _WIDTH)
    bounds = Bounds(torch.full_like(params, -torch.inf), torch.full_like(params, torch.inf))
    optimizer = Optimizer(params, bounds, torch.zeros_like(params).bool(), rule, linear=space == "linear")
    start = Variables(**{key: tensor.clone() for key, tensor in vars(optimizer.variables).items()})
    truth = make_rasterizer("reference", templates, _HEIGHT, _WIDTH, space=space, dtype=torch.float64, threads=1)
    loss, gradient = truth.step(
        optimizer.params.double(), placement, background.double(), target.double(), weight.double()
    )
    optimizer.step(gradient.float(), 1.0)
    moved = optimizer.variables.free - start.free

    device = rasterizer.torch_device
    there = Variables(**{key: tensor.to(device) for key, tensor in vars(start).items()})
    planes = [plane.to(device) for plane in (background, target, weight)]
    errors = []
    for scored in (False, True):
        for _ in range(3):
            iteration.load(there, placement.template.to(device), placement.mirror.to(device))
            found, _, _ = iteration.run(*planes, rate=1.0, bias=1.0, limited=False, scored=scored)
            step = iteration.variables.free.cpu() - start.free
            errors += [abs(float(found) / float(loss) - 1.0)]
            errors += ((step - moved).abs().amax(0) / moved.abs().amax(0)).tolist()
    return float(torch.tensor(errors).nan_to_num(torch.inf).max())


def _scene(templates: Templates) -> tuple[Tensor, Placement, Tensor, Tensor, Tensor]:
    """The fixed scene: random primitives, placement, background, cotangent of the image, and target."""
    generator = torch.Generator().manual_seed(1)
    random = torch.rand(_COUNT, len(PARAMETERS), generator=generator)
    low = torch.tensor([0.0, 0.0, 2.0, 0.6, -3.0, 0.1, 0.0, 0.0, 0.0])
    high = torch.tensor([_WIDTH, _HEIGHT, 20.0, 1.6, 3.0, 0.9, 1.0, 1.0, 1.0])
    params = low + (high - low) * random
    template = torch.arange(_COUNT) % len(templates)
    level = templates.choose_levels(template, params[:, 2], params[:, 3])
    placement = Placement(template, level, torch.arange(_COUNT) % 3 == 0)
    background, cotangent, target = torch.rand(3, 3, _HEIGHT, _WIDTH, generator=generator)
    return params, placement, background, cotangent - 0.5, target


def _templates() -> Templates:
    """A soft disc and a colored bar in all three color modes."""
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
