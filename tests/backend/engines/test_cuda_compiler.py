"""The CUDA engine's kernels compile for every card without a card, and are cached."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from backend.engines.cuda import compiler, gpu
from backend.job import UserError

pytest.importorskip("cuda.core", reason="the CUDA engine's packages are not there")

import cuda.bindings

from backend.engines.cuda import report

MAJOR = cuda.bindings.__version__.split(".")[0]
"""The major version of the installed CUDA packages."""


@pytest.fixture(scope="module")
def usages() -> dict[report.Variant, list[report.Usage]]:
    """All architectures with one set of options, and one architecture with each set."""
    every = [variant for variant in report.VARIANTS if variant.linear and variant.textured]
    return report.measure(every + [v for v in report.VARIANTS if v.architecture == "sm_90" and v not in every])


def test_kernels_compile_for_every_card_without_spills(usages: dict[report.Variant, list[report.Usage]]) -> None:
    sys.stdout.write(report.explain(usages) + "\n")
    names = {usage.kernel for usage in next(iter(usages.values()))}
    assert {"rasterize_forward", "rasterize_backward", "rasterize_step", "rasterize_scored", "fill_entries"} <= names
    for variant, found in usages.items():
        assert {usage.kernel for usage in found} == names, variant
        spilled = [usage for usage in found if usage.kernel.startswith("rasterize_") and usage.spills]
        assert not spilled, variant


def test_table_names_every_kernel_and_its_spills() -> None:
    variant, usage = report.Variant("sm_90", True, False), report.Usage("blur", 40, 0, 128, 0)
    other = report.Variant("sm_120", True, False)
    table = report.explain({variant: [usage], other: [dataclasses.replace(usage, registers=50, spills=8)]})
    assert table.splitlines()[2].split() == ["LINEAR=1", "TEXTURED=0", "sm_90", "sm_120", "shared"]
    assert table.splitlines()[3].split() == ["blur", "40", "50+8", "128"]


def test_log_of_the_assembler_is_parsed() -> None:
    log = """ptxas info    : 340 bytes gmem
ptxas info    : Compiling entry function 'blur' for 'sm_90'
ptxas info    : Function properties for blur
ptxas         .     40 bytes stack frame, 8 bytes spill stores, 4 bytes spill loads
ptxas info    : Used 80 registers, used 1 barriers, 40 bytes cumulative stack size, 64 bytes smem, 352 bytes cmem[0]
ptxas info    : Function properties for helper
ptxas         .     0 bytes stack frame, 9 bytes spill stores, 9 bytes spill loads
"""
    assert report.parse(log) == [report.Usage("blur", 80, 12, 64, 352)]
    with pytest.raises(ValueError, match="Not a log of ptxas"):
        report.parse("Compiling entry function 'blur'")


def test_source_is_one_piece() -> None:
    source = compiler.source()
    assert '#include "' not in source
    assert source.count("struct Scene {") == 1
    assert source.index("struct Scene {") < source.index("rasterize_step")


def test_compiled_kernels_are_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "source", lambda: 'extern "C" __global__ void nothing() {}')
    first = compiler.compiled("sm_90", linear=False, textured=False, cache=tmp_path / "new")
    (kept,) = (path for path in (tmp_path / "new" / "entries").rglob("*") if path.is_file())
    assert kept.read_bytes() == first.code
    kept.write_bytes(b"taken from the cache")
    assert compiler.compiled("sm_90", linear=False, textured=False, cache=tmp_path / "new").code == kept.read_bytes()
    assert compiler.compiled("sm_90", linear=True, textured=False, cache=tmp_path / "new").code == first.code
    # Without a writable cache it compiles too.
    (tmp_path / "file").touch()
    assert compiler.compiled("sm_90", linear=False, textured=False, cache=tmp_path / "file" / "x").code == first.code


def test_the_first_error_of_the_compiler_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "source", lambda: "__device__ int a = b;\n__device__ int c = d;")
    with pytest.raises(UserError, match=r'\(sm_90\): .*error: identifier "b" is undefined; use the CPU') as caught:
        compiler.compiled("sm_90", linear=False, textured=False)
    assert caught.value.action == "use_cpu"


@pytest.mark.parametrize(
    ("capability", "architecture"), [((7, 5), "sm_75"), ((8, 6), "sm_86"), ((9, 0), "sm_90"), ((8, 5), "sm_80")]
)
def test_code_runs_on_the_card(capability: tuple[int, int], architecture: str) -> None:
    assert compiler.architecture_of(capability) == architecture


def test_a_card_unknown_to_the_compiler_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    with pytest.raises(UserError, match=r"does not know cards .* 42\.0: pip install --upgrade nvidia-cuda-nvrtc, "):
        compiler.architecture_of((42, 0))


@pytest.mark.parametrize(
    ("variables", "place"),
    [({"XDG_CACHE_HOME": "/c"}, "/c/diffbmp/kernels"), ({"HOME": "/h"}, "/h/.cache/diffbmp/kernels")],
)
@pytest.mark.skipif(sys.platform == "win32", reason="other variables hold there")
def test_the_cache_folder_of_each_system(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], place: str
) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert compiler.cache_folder() == Path(place)


class Cards:
    """Sets PyTorch's answers to those of a machine with cards."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *capabilities: tuple[int, int], cuda: str = MAJOR) -> None:
        monkeypatch.setattr(torch.version, "cuda", cuda)
        answers: dict[str, Any] = {
            "init": lambda: None,
            "device_count": lambda: len(capabilities),
            "get_device_capability": lambda i: capabilities[i],
            "get_device_name": lambda i: f"Card {i}",
        }
        for name, answer in answers.items():
            monkeypatch.setattr(torch.cuda, name, answer)
        monkeypatch.setattr(gpu, "_gpu", gpu.CudaGpu)


def test_the_first_card_that_is_new_enough_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    Cards(monkeypatch, (7, 0), (8, 6), (9, 0))
    assert gpu.find_gpu().name == "Card 1"
    assert gpu.find_gpu(2).torch_device == torch.device("cuda:2")
    with pytest.raises(UserError, match="Card 0 is too old") as caught:
        gpu.find_gpu(0)
    assert caught.value.action == "use_cpu"
    with pytest.raises(UserError, match="no card cuda:3: use a number below 3"):
        gpu.find_gpu(3)


def test_pytorch_without_cuda_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.raises(UserError, match="built without CUDA") as caught:
        gpu.find_gpu()
    assert caught.value.action == "install"


def test_the_error_of_the_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def init() -> None:
        raise RuntimeError("Found no NVIDIA driver on your system. Please check ...\nand so on")

    Cards(monkeypatch, (9, 0))
    monkeypatch.setattr(torch.cuda, "init", init)
    with pytest.raises(UserError, match=r"\(Found no NVIDIA driver on your system\. Please check"):
        gpu.find_gpu()


@pytest.mark.parametrize(
    ("missing", "command"),
    [
        ("cuda.core", 'pip install cuda-core "cuda-bindings==13.*" "nvidia-cuda-nvrtc==13.*"'),
        ("cuda.bindings", 'pip install cuda-core "cuda-bindings==13.*" "nvidia-cuda-nvrtc==13.*"'),
    ],
)
def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch, missing: str, command: str) -> None:
    Cards(monkeypatch, (9, 0), cuda="13.0")
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(UserError) as caught:
        gpu.find_gpu()
    assert command in caught.value.message
    assert caught.value.action == "install"


def test_packages_of_another_cuda_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    other, package = ("12", "nvidia-cuda-nvrtc-cu12") if MAJOR == "13" else ("13", r"nvidia-cuda-nvrtc==13\.\*")
    Cards(monkeypatch, (9, 0), cuda=f"{other}.0")
    with pytest.raises(UserError, match=rf'but this PyTorch for CUDA {other}: .*"{package}"$'):
        gpu.find_gpu()
