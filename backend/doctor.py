"""The self-test: which engines run here, on which device, and how close each is to the reference."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .engines import make_engine
from .engines.choice import gpu_of
from .engines.interface import PARAMETERS, Engine, Placement
from .fitting.constraints.limits import Bounds
from .fitting.optimizer import Optimizer
from .fitting.random import Random
from .fitting.recipe import DEFAULT
from .job import ENGINES, SPACES, Settings, UserError
from .native.arrays import FloatArray
from .templates import Template, Templates

IMAGE_TOLERANCE = 1e-5
"""The greatest allowed error of the image, whose values go to 1."""
GRADIENT_TOLERANCE = 1e-4
"""The greatest allowed error of gradients and steps, relative to the greatest value of the parameter."""

_WIDTH, _HEIGHT, _COUNT = 96, 64, 60


def examine() -> dict[str, Any]:
    """Returns the versions and, for each engine, whether it works, its device, and its greatest errors.

    An engine that does not run has a cause instead. CUDA has an entry per card. Without PyTorch there is no reference:
    then an engine works if it runs, and errors are None.
    """
    torch = version("torch") if find_spec("torch") else None
    truth = {space: _results(_truth(space), space) for space in SPACES} if torch else None
    names = [*_cards(), *(name for name in ENGINES if name not in ("auto", "cuda"))]
    return {
        "python": platform.python_version(),
        "executable": sys.executable,
        "system": platform.platform(),
        "torch": torch,
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
        f"Python {findings['python']} ({findings['executable']}), torch {findings['torch'] or 'is missing'}",
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
    try:
        gpu_of("auto")
    except UserError:
        return ["cuda"]
    from .engines.cuda.gpu import gpu_count

    return [f"cuda:{index}" for index in range(gpu_count())]


_Results = tuple[NDArray[Any], NDArray[Any]]
"""The image [3, H, W] and the gradients of backward and step [2, N, 9]."""


def _examine_engine(name: str, truth: dict[str, _Results] | None) -> dict[str, Any]:
    result: dict[str, Any] = {"name": name, "works": False, "device": "", "cause": ""}
    result |= {"image_error": None, "gradient_error": None, "gradient_errors": {}, "step_error": None}
    try:
        result["device"] = make_engine(name, _templates(), 1, 1).device
        found = {space: _results(_engine(name, space), space) for space in SPACES}
        if truth is None:
            return {**result, "works": True}
        errors = [_errors(found[space], truth[space]) for space in SPACES]
        steps = [error for space in SPACES if (error := _step_error(name, space)) is not None]
    except UserError as error:
        return {**result, "cause": error.message}
    except _device_errors() as error:
        # The card failed during its examination; go on with the other engines.
        return {**result, "cause": str(error).partition("\n")[0]}
    image = max(image for image, _ in errors)
    gradients = {name: max(own[i] for _, own in errors) for i, name in enumerate(PARAMETERS)}
    worst = max(gradients.values())
    step = max(steps) if steps else None
    works = image <= IMAGE_TOLERANCE and worst <= GRADIENT_TOLERANCE and (step is None or step <= GRADIENT_TOLERANCE)
    result |= {"image_error": image, "gradient_error": worst, "gradient_errors": gradients, "step_error": step}
    return {**result, "works": works}


def _device_errors() -> tuple[type[Exception], ...]:
    if find_spec("torch") is None:
        return ()
    import torch

    return torch.AcceleratorError, torch.OutOfMemoryError


def _errors(found: _Results, truth: _Results) -> tuple[float, list[float]]:
    """The greatest errors of the image, and of the gradients of each parameter; infinite for NaN."""
    (image, gradients), (true_image, true_gradients) = found, truth
    greatest = np.abs(true_gradients).max(1, keepdims=True)
    error = np.nan_to_num(np.abs(gradients - true_gradients) / greatest, nan=np.inf).max((0, 1))
    return float(np.nan_to_num(np.abs(image - true_image), nan=np.inf).max()), error.tolist()


def _engine(name: str, space: str) -> Engine:
    """An engine for the scene. One thread: in such a small one PyTorch's threads only wait for each other."""
    return make_engine(name, _templates(), _HEIGHT, _WIDTH, space=space, threads=1)


def _truth(space: str) -> Engine:
    """The reference in float64."""
    import torch

    from .engines.rasterizers import make_rasterizer
    from .engines.tensors import FarEngine

    options: dict[str, Any] = {"space": space, "dtype": torch.float64, "threads": 1}
    return FarEngine(make_rasterizer("reference", _templates(), _HEIGHT, _WIDTH, **options), space)


def _results(engine: Engine, space: str) -> _Results:
    """Runs forward, backward and a fused step on the scene."""
    params, placement, background, cotangent, target = _scene(_templates())
    given = (params, placement, background)
    image, _ = engine.forward(*given)
    backward = engine.backward(*given, cotangent)
    _, step = engine.step(*given, target, np.ones((_HEIGHT, _WIDTH), np.float32))
    return image, np.stack([backward, step])


def _step_error(name: str, space: str) -> float | None:
    """The greatest relative error of whole steps against the reference and the optimizer; None if it makes none.

    Each kind of step runs three times from the same start: launched, recorded and replayed.
    """
    rule = DEFAULT.adam_rule((_HEIGHT * _WIDTH / _COUNT) ** 0.5, Settings().iterations)
    iteration = _engine(name, space).iteration(_COUNT, rule)
    if iteration is None:
        return None
    params, placement, background, _, target = _scene(_templates())
    weight = np.ones((_HEIGHT, _WIDTH), np.float32)
    bounds = Bounds(np.full_like(params, -np.inf), np.full_like(params, np.inf))
    optimizer = Optimizer(params, bounds, np.zeros(params.shape, np.bool_), rule, linear=space == "linear")
    start = optimizer.variables
    loss, gradient = _truth(space).step(optimizer.params, placement, background, target, weight)
    optimizer.step(gradient, 1.0)
    moved = optimizer.variables.free - start.free

    errors: list[float] = []
    for scored in (False, True):
        for _ in range(3):
            iteration.load(start, placement.template, placement.mirror)
            found = iteration.run(background, target, weight, rate=1.0, bias=1.0, limited=False, scored=scored)
            step = iteration.unload().free - start.free
            errors += [abs(float(found.loss) / loss - 1.0)]
            errors += (np.abs(step - moved).max(0) / np.abs(moved).max(0)).tolist()
    return float(np.nan_to_num(np.array(errors), nan=np.inf).max())


def _scene(templates: Templates) -> tuple[FloatArray, Placement, FloatArray, FloatArray, FloatArray]:
    """The fixed scene: random primitives, placement, background, cotangent of the image, and target."""
    random = Random(1)
    low = np.array([0.0, 0.0, 2.0, 0.6, -3.0, 0.1, 0.0, 0.0, 0.0], np.float32)
    high = np.array([_WIDTH, _HEIGHT, 20.0, 1.6, 3.0, 0.9, 1.0, 1.0, 1.0], np.float32)
    params = low + (high - low) * random.uniform(_COUNT, len(PARAMETERS))
    template = np.arange(_COUNT) % len(templates)
    level = templates.choose_levels(template, params[:, 2], params[:, 3])
    placement = Placement(template, level, np.arange(_COUNT) % 3 == 0)
    background, cotangent, target = random.uniform(3, 3, _HEIGHT, _WIDTH)
    return params, placement, background, cotangent - np.float32(0.5), target


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
