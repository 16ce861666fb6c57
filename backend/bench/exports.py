"""The export bench: the time and size of layered files, and the error of another program's picture of them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..export import export
from ..job import ExportSettings, Layout, TemplateSpec
from ..layouts.rendering import render_layout
from ..templates import Template, Templates

CANVAS, STAMP, KINDS = 2048, 64, 20  # px, px, stamps
COUNTS = {2000: ("psd", "ora", ""), 10_000: ("psd", "ora")}

MAGICK = ("convert-im6", "magick")
"""Names of ImageMagick's program that no other program has."""


def run(tell: Callable[[str], None]) -> dict[str, Any]:
    """Measures seconds and megabytes per number of layers and format, and ImageMagick's differences in levels."""
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="diffbmp-") as folder:
        for count, formats in COUNTS.items():
            layout, templates = _layout(count)
            for ending in formats:
                path = Path(folder, f"layers{count}.{ending}" if ending else f"layers{count}")
                tell(f"{count:,} layers to {path.name}")
                begin = time.perf_counter()
                export(layout, templates, path, ExportSettings(grouping="stamp"))
                seconds = time.perf_counter() - begin
                files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
                size = sum(file.stat().st_size for file in files) / 1e6
                entry = {"seconds": seconds, "megabytes": size, "peak_memory": _peak()}
                if ending == "psd" and count == min(COUNTS):
                    entry |= _differences(path, layout, templates)
                results[f"{count} {ending or 'folder'}"] = entry
    return results


def _layout(count: int) -> tuple[Layout, Templates]:
    """Photograph-like stamps with soft edges and random opacity, rotation and mirroring, all over the canvas."""
    generator = np.random.default_rng(1)
    place = (np.arange(STAMP) + 0.5) / STAMP * 2 - 1
    alpha = np.clip(3 * (1 - np.hypot(*np.meshgrid(place, place))), 0, 1)[..., None]
    items, specs = [], []
    for number in range(KINDS):
        coarse = generator.random((8, 8, 3)).repeat(STAMP // 8, 0).repeat(STAMP // 8, 1)
        color = 0.7 * coarse + 0.3 * generator.random((STAMP, STAMP, 3))
        rgba = np.rint(np.concatenate([color, alpha], 2) * 255).astype(np.uint8)
        name = f"leaf {number}"
        items.append(Template(name, rgba, "mix", 0.6))
        specs.append(TemplateSpec(f"{number}.png", name, mode="mix", blend=0.6, width=STAMP, height=STAMP))
    templates = Templates(items)
    template = generator.integers(0, KINDS, count)
    scale, aspect = generator.uniform(26, 32, (1, count)).astype(np.float32), np.ones((1, count), np.float32)
    levels = templates.choose_levels(template, scale[0], aspect[0])
    layout = Layout(
        generator.uniform(0, CANVAS, (1, count)),
        generator.uniform(0, CANVAS, (1, count)),
        scale,
        aspect,
        generator.uniform(-3, 3, (1, count)),
        generator.uniform(0.2, 1, (1, count)),
        generator.random((1, count, 3)),
        template,
        levels,
        np.zeros(count),
        generator.random(count) < 0.5,
        np.zeros(count, bool),
        CANVAS,
        CANVAS,
        specs,
    )
    return layout, templates


def _peak() -> float:
    """The peak memory of this process, MB; 0 on Windows, where it is unknown."""
    if sys.platform == "win32":
        return 0.0
    import resource

    unit = 1e6 if sys.platform == "darwin" else 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def _differences(path: Path, layout: Layout, templates: Templates) -> dict[str, float]:
    """Compares ImageMagick's picture of the layers with the engine's, in levels of 255."""
    from PIL import Image

    program = next((found for name in MAGICK if (found := shutil.which(name))), None)
    if program is None:
        return {}
    out = path.with_suffix(".ppm")
    # Delete the first image, the merged one. In 8 bits, ImageMagick would truncate instead of round.
    layers = ["(", str(path), "-delete", "0", ")"]
    size = ["-size", f"{CANVAS}x{CANVAS}", "xc:none"]
    subprocess.run([program, *size, *layers, "-background", "none", "-flatten", "-depth", "16", str(out)], check=True)
    header, _, data = out.read_bytes().partition(b"65535\n")
    assert header.startswith(b"P6")
    flat = np.frombuffer(data, ">u2").reshape(CANVAS, CANVAS, 3) / 257.0
    picture = render_layout(layout, templates)[:3].transpose(1, 2, 0).astype(np.float64) * 255
    merged = np.abs(np.asarray(Image.open(path).convert("RGB")) - picture)
    difference = np.abs(flat - picture)
    return {"max": float(difference.max()), "mean": float(difference.mean()), "merged_max": float(merged.max())}


def explain(results: dict[str, Any]) -> str:
    """Formats the results as a table."""
    lines = ["layers  format    seconds       MB   peak memory MB   ImageMagick - engine, levels"]
    for name, entry in results.items():
        count, kind = name.split()
        off = f"max {entry['max']:.2f}, mean {entry['mean']:.3f}" if "max" in entry else ""
        numbers = f"{entry['seconds']:8.2f} {entry['megabytes']:8.1f} {entry['peak_memory']:14.0f}"
        lines.append(f"{int(count):6,}  {kind:<8} {numbers}     {off}".rstrip())
    return "\n".join(lines)
