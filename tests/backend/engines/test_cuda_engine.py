"""The CUDA engine's kernels, emulated on the CPU, against the reference in float64 on the same 8-bit levels."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
import torch
from torch import Tensor

from backend.engines.cuda import structs
from backend.engines.cuda.levels import DeviceLevels
from backend.engines.cuda.rasterizer import CudaRasterizer
from backend.engines.interface import PARAMETERS
from backend.engines.levels import Level
from backend.engines.reference import ReferenceRasterizer
from backend.engines.tensors import CpuRasterizer, Placement
from backend.job import Limits
from backend.templates import Template, Templates
from tests.backend.emulation.gpu import EmulatedGpu
from tests.backend.engines.support.levels import choose_levels
from tests.backend.support.pictures import block, soft_disc

# As for the CPU engine: see test_engines.py. The limits for cards are 1e-5 and 1e-4.
IMAGE_TOLERANCE = 4e-6
GRADIENT_TOLERANCE = 1e-5


def stamps(*, textured: bool) -> Templates:
    rgba = soft_disc(96, 128, edge=8, slope=2)
    flat = [Template("disc", rgba), block(20, 6, "narrow")]
    flat.append(Template("pixel", np.full((1, 1, 4), 200, np.uint8)))
    colored = [Template("multiply", rgba, "multiply", 0.7), Template("mix", rgba, "mix", 0.4)]
    return Templates(flat + colored if textured else flat)


class Scene:
    """Random primitives, some off the canvas, and the other inputs of the engines."""

    def __init__(self, templates: Templates, count: int, height: int, width: int, seed: int = 0) -> None:
        self.templates, self.size = templates, (height, width)
        random = torch.Generator().manual_seed(seed)
        self.params = torch.rand(count, len(PARAMETERS), generator=random)
        self.params[:, 0] = self.params[:, 0] * (width + 30) - 15
        self.params[:, 1] = self.params[:, 1] * (height + 30) - 15
        self.params[:, 2] = 3 + 20 * self.params[:, 2]
        self.params[:, 3] = 0.5 + 1.5 * self.params[:, 3]
        self.params[:, 4] = 7 * self.params[:, 4] - 3.5
        template = torch.randint(0, len(templates), (count,), generator=random)
        level = choose_levels(templates, template, self.params[:, 2], self.params[:, 3])
        self.placement = Placement(template, level, torch.rand(count, generator=random) < 0.5)
        self.background, self.target = torch.rand(2, 3, height, width, generator=random)
        self.weight = torch.rand(height, width, generator=random)
        self.grad_image = torch.randn(3, height, width, generator=random)
        self.grad_alpha = torch.randn(height, width, generator=random)

    def engine(self, gpu: EmulatedGpu, *, space: str = "display", deterministic: bool = True) -> CudaRasterizer:
        return CudaRasterizer(self.templates, *self.size, gpu, space=space, deterministic=deterministic)

    def truth(self, *, space: str = "display") -> ReferenceRasterizer:
        return ReferenceRasterizer(self.templates, *self.size, space=space, threads=1, dtype=torch.float64)


def worst(found: Tensor, truth: Tensor) -> float:
    """The greatest error over the greatest gradient, of the worst parameter."""
    greatest = truth.abs().amax(0)
    return float(((found - truth).abs().amax(0) / greatest.clamp_min(1e-12)).max())


@pytest.mark.parametrize("deterministic", [True, False])
@pytest.mark.parametrize("textured", [False, True])
@pytest.mark.parametrize("space", ["display", "linear"])
@pytest.mark.parametrize("size", [(90, 101), (16, 48), (17, 1)])
def test_cuda_engine_matches_the_reference(
    emulated_gpu: EmulatedGpu, size: tuple[int, int], space: str, textured: bool, deterministic: bool
) -> None:
    scene = Scene(stamps(textured=textured), 80, *size)
    engine, truth = scene.engine(emulated_gpu, space=space, deterministic=deterministic), scene.truth(space=space)
    given = (scene.params, scene.placement, scene.background)

    image, alpha = engine.forward(*given)
    true_image, true_alpha = truth.forward(*given)
    assert (image - true_image).abs().max() < IMAGE_TOLERANCE
    assert (alpha - true_alpha).abs().max() < IMAGE_TOLERANCE

    for cotangent in (scene.grad_alpha, None):
        gradient = engine.backward(*given, scene.grad_image, cotangent)
        assert worst(gradient, truth.backward(*given, scene.grad_image, cotangent)) < GRADIENT_TOLERANCE

    for loss in ("mse", "l1"):
        value, gradient = engine.step(*given, scene.target, scene.weight, loss)
        true_value, true_gradient = truth.step(*given, scene.target, scene.weight, loss)
        assert float(value) == pytest.approx(float(true_value), rel=1e-6)
        assert worst(gradient, true_gradient) < GRADIENT_TOLERANCE


@pytest.mark.parametrize("textured", [False, True])
@pytest.mark.parametrize("space", ["display", "linear"])
@pytest.mark.parametrize("loss", ["mse", "l1"])
def test_scores_and_candidates_match_the_reference(
    emulated_gpu: EmulatedGpu, space: str, textured: bool, loss: str
) -> None:
    scene = Scene(stamps(textured=textured), 50, 60, 75)
    engine, truth = scene.engine(emulated_gpu, space=space), scene.truth(space=space)
    given = (scene.params, scene.placement, scene.background, scene.target, scene.weight, loss)
    value, gradient, scores = engine.scored_step(*given)
    true_value, true_gradient, true_scores = truth.scored_step(*given)
    assert float(value) == pytest.approx(float(true_value), rel=1e-6)
    assert worst(gradient, true_gradient) < GRADIENT_TOLERANCE
    assert (scores.image - true_scores.image).abs().max() < IMAGE_TOLERANCE
    assert (scores.loss_map - true_scores.loss_map).abs().max() < 1e-5
    # A sum over a stamp's pixels of differences of two losses of about 3, rounded to 1e-7.
    assert (scores.removal - true_scores.removal).abs().max() < 1e-6 * true_scores.removal.abs().max()

    weight = scene.weight.expand(3, -1, -1)
    solutions = engine.solve_on_top(scene.params, scene.placement, scores.image, scene.target, weight)
    true_solutions = truth.solve_on_top(scene.params, scene.placement, true_scores.image, scene.target, weight)
    for name, found in vars(solutions).items():
        true = getattr(true_solutions, name)
        assert (found - true).abs().max() < 1e-5 * true.abs().max(), name
    alike = engine.solve_on_top(scene.params, scene.placement, scores.image, scene.target, scene.weight)
    assert all(torch.equal(getattr(alike, name), found) for name, found in vars(solutions).items())
    if loss == "mse":
        gains = engine.gains_on_top(scene.params, scene.placement, scores, scene.weight)
        true_gains = truth.gains_on_top(scene.params, scene.placement, true_scores, scene.weight)
        assert (gains - true_gains).abs().max() < 1e-5 * true_gains.abs().max()


def test_many_batches_of_primitives_on_a_tile(emulated_gpu: EmulatedGpu) -> None:
    scene = Scene(stamps(textured=False), 333, 33, 20)
    scene.params[:, 5] *= 0.1  # so that the last one is seen too
    engine, truth = scene.engine(emulated_gpu), scene.truth()
    given = (scene.params, scene.placement, scene.background, scene.target, scene.weight)
    value, gradient = engine.step(*given)
    true_value, true_gradient = truth.step(*given)
    assert float(value) == pytest.approx(float(true_value), rel=1e-6)
    assert worst(gradient, true_gradient) < GRADIENT_TOLERANCE
    assert true_gradient[-1].abs().max() > 0


def test_results_are_bit_identical_after_any_other_scene(emulated_gpu: EmulatedGpu) -> None:
    scene, other = (Scene(stamps(textured=True), count, 70, 80, count) for count in (90, 200))
    other.templates = scene.templates
    engine = scene.engine(emulated_gpu)
    given = (scene.params, scene.placement, scene.background, scene.target, scene.weight)
    first = engine.step(*given)
    engine.step(other.params, other.placement, other.background, other.target, other.weight)
    second = engine.step(*given)
    third = scene.engine(emulated_gpu).step(*given)
    for again in (second, third):
        assert torch.equal(first[0], again[0])
        assert torch.equal(first[1], again[1])


@pytest.mark.parametrize("count", [0, 1])
def test_tiny_scenes(emulated_gpu: EmulatedGpu, count: int) -> None:
    scene = Scene(stamps(textured=False), count, 20, 37)
    engine, truth = scene.engine(emulated_gpu), scene.truth()
    image, _ = engine.forward(scene.params, scene.placement, scene.background)
    true_image, _ = truth.forward(scene.params, scene.placement, scene.background)
    assert (image - true_image).abs().max() < IMAGE_TOLERANCE
    value, gradient, scores = engine.scored_step(
        scene.params, scene.placement, scene.background, scene.target, scene.weight
    )
    assert gradient.shape == (count, 9)
    assert scores.removal.shape == (count,)
    assert float(value) > 0
    solutions = engine.solve_on_top(scene.params, scene.placement, image, scene.target, scene.background)
    assert solutions.constant.shape == (count,)


def test_invisible_primitives_are_not_drawn(emulated_gpu: EmulatedGpu) -> None:
    """Zero opacity, no size, NaN, far away: the background stays, and gradients are finite."""
    scene = Scene(stamps(textured=True), 6, 40, 40)
    scene.params[:, :2], scene.params[:, 3] = 20.0, 1.0
    scene.params[0, 5] = 0.0
    scene.params[1, 2] = 0.0
    scene.params[2, 0] = torch.nan
    scene.params[3, 0] = 1e9
    scene.params[4, 1] = -torch.inf
    scene.params[5, 2] = torch.nan
    engine = scene.engine(emulated_gpu)
    image, alpha = engine.forward(scene.params, scene.placement, scene.background)
    assert torch.equal(image, scene.background)
    assert not alpha.any()
    _, gradient = engine.step(scene.params, scene.placement, scene.background, scene.target, scene.weight)
    assert gradient[0, 5] != 0
    assert not gradient[1:].any()


def test_stamps_far_larger_than_the_canvas(emulated_gpu: EmulatedGpu) -> None:
    scene = Scene(stamps(textured=False), 5, 50, 50)
    scene.params[:, 2] = torch.tensor([100.0, 1e3, 1e4, 1e5, 3e6])
    scene.placement.level = choose_levels(
        scene.templates, scene.placement.template, scene.params[:, 2], scene.params[:, 3]
    )
    image, _ = scene.engine(emulated_gpu).forward(scene.params, scene.placement, scene.background)
    true_image, _ = scene.truth().forward(scene.params, scene.placement, scene.background)
    assert (image - true_image).abs().max() < IMAGE_TOLERANCE


@pytest.mark.parametrize(("count", "size"), [(7, (40, 200)), (250, (130, 70))])
def test_tiles_list_their_primitives_front_to_back(
    emulated_gpu: EmulatedGpu, count: int, size: tuple[int, int]
) -> None:
    scene = Scene(stamps(textured=False), count, *size)
    engine = scene.engine(emulated_gpu)
    engine.forward(scene.params, scene.placement, scene.background)
    held = engine._buffers._held
    struct = structs.Scene.from_buffer_copy(engine._scene.memory.numpy().tobytes())
    tiles = struct.tiles_x * struct.tiles_y
    cells = held["cells"].view(torch.int32)[: tiles * struct.chunks].long()
    base = held["cell_base"].view(torch.int64)[torch.arange(len(cells)) // structs.SCAN_BLOCK]
    ends = (cells + base).reshape(tiles, struct.chunks)[:, -1].tolist()
    fields = [("primitive", "i4"), ("first", "i2"), ("last", "i2"), ("pair", "i8")]
    entries = held["entries"].numpy().view(np.dtype(fields))[: engine._buffers.pairs].copy()
    assert ends[-1] == len(entries) > 0
    assert sorted(entries["pair"]) == list(range(len(entries)))
    # Each alone: its alpha is visible only on the listed rows of its tiles.
    alphas = []
    for i in range(count):
        alone = Placement(*(value[i : i + 1] for value in vars(scene.placement).values()))
        alphas.append(engine.forward(scene.params[i : i + 1], alone, scene.background)[1])
    begin = 0
    for tile, end in enumerate(ends):
        listed = entries["primitive"][begin:end].tolist()
        assert listed == sorted(set(listed))
        left, top = tile % struct.tiles_x * 16, tile // struct.tiles_x * 16
        for i, alpha in enumerate(alphas):
            rows = alpha[top : top + 16, left : left + 16].amax(1).nonzero()[:, 0].tolist()
            if rows:
                entry = entries[begin:end][listed.index(i)]
                assert entry["first"] <= rows[0]
                assert entry["last"] >= rows[-1]
        begin = end


def test_memory_for_pairs_grows_as_needed(emulated_gpu: EmulatedGpu) -> None:
    scene = Scene(stamps(textured=False), 100, 256, 256)
    scene.params[:, 2] = 200.0
    scene.placement.level[:] = 0
    engine = scene.engine(emulated_gpu)
    image, _ = engine.forward(scene.params, scene.placement, scene.background)
    assert engine._buffers.pairs > max(16 * 100, 1024)
    true_image, _ = scene.truth().forward(scene.params, scene.placement, scene.background)
    assert (image - true_image).abs().max() < IMAGE_TOLERANCE


def test_structs_are_mirrored_byte_for_byte() -> None:
    """The sizes match the assertions in scene_cuda.h."""
    assert ctypes.sizeof(structs.Scene) == structs.SCENE_BYTES
    assert ctypes.sizeof(structs.Candidates) == structs.CANDIDATES_BYTES
    assert ctypes.sizeof(structs.Descent) == 208
    assert ctypes.sizeof(Level) == 64


def test_fields_are_where_the_kernels_read_them() -> None:
    """A few fields show that none before them is missing, doubled or of another size."""
    for kind, offsets in (
        (structs.Scene, {"pair_capacity": 48, "planes": 56, "grad": 160, "records": 248, "descent": 256}),
        (structs.Descent, {"palette_count": 132, "color_rate": 192, "shrink": 204}),
        (structs.Candidates, {"params": 16, "result": 88, "weight_plane": 96, "primitives": 104}),
    ):
        assert {name: getattr(kind, name).offset for name in offsets} == offsets


def test_a_struct_rejects_unknown_fields() -> None:
    scene = structs.Scene(width=3, planes=structs.PlanePointers(image=5))
    assert (scene.width, scene.height, scene.planes.image, scene.planes.alpha) == (3, 0, 5, None)
    with pytest.raises(AttributeError):
        scene.widht = 3
    with pytest.raises(AttributeError):
        scene.planes.imgae = 3


@pytest.mark.parametrize("stretch", [1.0, 3.0])
def test_all_levels_that_can_occur_are_uploaded(stretch: float) -> None:
    rgba = np.full((40, 100, 4), 255, np.uint8)
    templates = Templates([Template("bar", rgba, limits=Limits(stretch=stretch))])
    levels = DeviceLevels(templates, torch.device("cpu"))
    difference = 0 if stretch == 1.0 else int(np.ceil(2 * np.log2(stretch))) + 1
    table = levels.reachable(np.array([difference]), np.array([0]))
    random = torch.Generator().manual_seed(0)
    aspect = stretch ** (2 * torch.rand(20_000, generator=random) - 1)
    scale = 3000 ** torch.rand(20_000, generator=random)
    template = torch.zeros(20_000, dtype=torch.int64)
    for bias in (0.125, 1.0):
        level = choose_levels(templates, template, scale, aspect, bias)
        placement = Placement(template, level, template.bool())
        before = len(levels._levels)
        assert torch.equal(table[0, level[:, 0], level[:, 1]], levels.numbers(placement))
        assert len(levels._levels) == before  # none had to be added
        assert torch.equal(levels.nearest(placement), levels.numbers(placement))


def test_other_levels_are_replaced_by_the_nearest_ones() -> None:
    templates = Templates([block(64, 64)])
    table = DeviceLevels(templates, torch.device("cpu")).reachable(np.array([1]), np.array([0]))
    assert (table >= 0).all()
    assert table[0, 2, 9] == table[0, 2, 3]
    assert table[0, 9, 0] == table[0, 9, 8]


def test_too_fine_levels_are_not_made() -> None:
    templates = Templates([block(64, 16)])
    levels = DeviceLevels(templates, torch.device("cpu"))
    table = levels.reachable(np.array([1]), np.array([10]))
    assert (table >= 0).all()
    # Along u, the last level is the ninth one.
    assert table[0, 0, 0] == table[0, 3, 10] == table[0, 8, 10]
    assert len(levels._levels) == 3
    finer = levels.reachable(np.array([1]), np.array([2]))
    assert finer[0, 0, 0] == finer[0, 2, 2] != finer[0, 3, 3]


def test_a_canvas_with_more_cells_than_one_scan(emulated_gpu: EmulatedGpu) -> None:
    """810,000 cells, so that the totals of blocks take two scans."""
    scene = Scene(stamps(textured=False), 400, 1440, 1440)
    image, _ = scene.engine(emulated_gpu).forward(scene.params, scene.placement, scene.background)
    engine = CpuRasterizer(scene.templates, 1440, 1440, threads=1)
    true_image, _ = engine.forward(scene.params, scene.placement, scene.background)
    assert (image - true_image).abs().max() < IMAGE_TOLERANCE


def test_more_pairs_than_32_bits_are_noticed(emulated_gpu: EmulatedGpu) -> None:
    pairs, base = torch.full((2048,), 2**20, dtype=torch.int32), torch.zeros(1, dtype=torch.int64)
    cells, cell_base = torch.zeros(1, dtype=torch.int32), torch.zeros(1, dtype=torch.int64)
    scene = structs.Scene(count=2048, tiles_x=1, tiles_y=1, chunks=1, pairs=pairs.data_ptr(), pair_base=base.data_ptr())
    scene.cells, scene.cell_base = cells.data_ptr(), cell_base.data_ptr()
    memory = structs.DeviceStruct(torch.device("cpu"), structs.SCENE_BYTES)
    memory.write(scene)
    program = emulated_gpu.program(linear=False, textured=False)
    program.launch("scan_cells", 2, structs.SCAN_THREADS, memory.memory)
    assert base.item() == 2**31
