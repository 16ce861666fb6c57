"""Makes docs/gallery.md and its pictures: draws targets and stamps, fits them by the command line, shows the results.

    python3 dev.py gallery [NAMES]

NAMES choose sections: then only their pictures are made, not the page. Work stays in build/gallery. The pictures are
supersampled; PSNR and SSIM are measured on them.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from backend.__main__ import main as command_line
from backend.layouts.rendering import render_layout
from backend.layouts.result_folder import load_result

from ..demo import stamps
from . import targets
from .sections import SECTIONS, Cell, Section

HERE = Path(__file__).resolve().parent
DOCS, WORK = HERE.parent, HERE.parent.parent / "build" / "gallery"
COLUMNS, WIDTH, GAP, HEAD = 4, 384, 8, 26  # of a sheet; px
FACE, FACE_RADII = (0.44, 0.22), (0.12, 0.19)  # in the portrait, shares of its sides

Bytes = NDArray[np.uint8]


def main(names: list[str]) -> int:
    prepare()
    rows = {}
    for section in SECTIONS:
        if not names or section.name in names:
            results: list[Path] = []
            for index, cell in enumerate(section.cells):
                results.append(results[-1] if cell.on_white else fit(section, cell, index))
            sheet(section, results).save(HERE / f"{section.name}.jpg", quality=88, optimize=True)
            rows[section.name] = [measured(out) for out in results]
    if not names:
        (DOCS / "gallery.md").write_text(page(rows), encoding="utf-8")
    return 0


def prepare() -> None:
    """Draws targets and stamps into WORK."""
    portrait = np.asarray(Image.open(DOCS / "demo" / "astronaut.jpg").convert("RGB"))
    save("astronaut", portrait)
    save("face", as_bytes(targets.face_map(512, 512, FACE, FACE_RADII)))
    save("landscape", as_bytes(targets.landscape(512, 384)))
    save("poster", as_bytes(targets.poster()))
    save("toadstool", as_bytes(targets.toadstool()))
    masks = targets.region_masks(512)
    save("regions", as_bytes(targets.region_target(masks)))
    for name, mask in masks.items():
        save(f"{name}_mask", as_bytes(mask))
    disc = np.full((128, 128, 4), 255, np.uint8)
    y, x = (np.mgrid[:128, :128] - 63.5) / 63.5
    disc[..., 3] = np.rint(np.clip((1 - np.hypot(x, y)) * 63.5 + 0.5, 0, 1) * 255)
    save("disc", disc)
    for name, pixels in stamps.draw_all().items():
        file = name.lower().replace(" ", "_")
        save(file, pixels)
        save(f"all/{file}", pixels)
    for index, picture in enumerate(targets.snapshots()):
        save(f"snapshots/{index:02}", as_bytes(picture))
    for index in range(64):
        top, left = 64 * (index // 8), 64 * (index % 8)
        tile = np.asarray(Image.fromarray(disc).resize((64, 64), Image.Resampling.BOX)).copy()
        tile[..., :3] = portrait[top : top + 64, left : left + 64]
        save(f"tiles/{index:02}", tile)


def save(name: str, pixels: Bytes) -> None:
    path = WORK / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def as_bytes(picture: targets.Array) -> Bytes:
    return np.rint(picture.clip(0, 1) * 255).astype(np.uint8)


def fit(section: Section, cell: Cell, index: int) -> Path:
    """Fits a cell and returns its result folder."""
    out = WORK / "results" / f"{section.name}_{index}"
    names = [name if (WORK / name).is_dir() else f"{name}.png" for name in cell.stamps.split()]
    options = [str(WORK / word) if word.endswith(".png") else word for word in cell.options.split()]
    templates = [str(WORK / name) for name in names]
    given = ["--templates", *templates] if templates else []
    arguments = ["fit", str(WORK / section.target), *given, "--out", str(out), *options]
    if command_line(arguments):
        sys.exit(f"The gallery ends at {section.name}: {cell.caption}")
    return out


def measured(out: Path) -> dict[str, float]:
    """Reads the metrics of a result; with regions, adds "inside" and "iou"."""
    metrics: dict[str, float] = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    layout, templates = load_result(out)
    if not layout.region.any():
        return metrics
    masks = list(targets.region_masks(layout.width).values())
    inside = []
    for number, mask in enumerate(masks):
        others = replace(layout, opacity=layout.opacity * (layout.region == number))
        alpha = render_layout(others, templates, transparent=True)[3].double().numpy()
        inside.append(float(alpha[mask > 0].sum() / alpha.sum()))
    alpha, union = render_layout(layout, templates, transparent=True)[3].numpy(), np.maximum.reduce(masks)
    return {
        **metrics,
        "inside": min(inside),
        "iou": float(np.minimum(alpha, union).sum() / np.maximum(alpha, union).sum()),
    }


def sheet(section: Section, results: list[Path]) -> Image.Image:
    """Draws the target and the fits in rows of COLUMNS, each under its caption."""
    pictures: list[tuple[str, targets.Array]] = [
        ("target", np.asarray(Image.open(WORK / section.target).convert("RGBA")) / 255.0)
    ]
    clear = bool((pictures[0][1][..., 3] < 1).any())
    for cell, out in zip(section.cells, results, strict=True):
        layout, templates = load_result(out)
        drawn = render_layout(layout, templates, supersample=3, transparent=clear)
        picture = drawn.permute(1, 2, 0).double().numpy()
        pictures.append((cell.caption, on_white(picture) if cell.on_white else picture))
    height = round(WIDTH * pictures[0][1].shape[0] / pictures[0][1].shape[1])
    columns = min(COLUMNS, len(pictures))
    step = height + HEAD
    image = Image.new("RGB", (columns * (WIDTH + GAP) - GAP, -(-len(pictures) // columns) * step), "white")
    draw = ImageDraw.Draw(image)
    for index, (caption, picture) in enumerate(pictures):
        left, top = index % columns * (WIDTH + GAP), index // columns * step
        shown = Image.fromarray(as_bytes(over_checkerboard(picture)))
        image.paste(shown.resize((WIDTH, height), Image.Resampling.LANCZOS), (left, top + HEAD))
        draw.text((left + 4, top + 4), caption, "black", ImageFont.load_default(15))
    return image


def on_white(picture: targets.Array) -> targets.Array:
    alpha = picture[..., 3:]
    return np.concatenate([picture[..., :3] * alpha + 1 - alpha, np.ones_like(alpha)], 2)


def over_checkerboard(picture: targets.Array) -> targets.Array:
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]] // 16
    board = np.where((x + y) % 2, 0.75, 0.9)[..., None]
    alpha = picture[..., 3:]
    return picture[..., :3] * alpha + board * (1 - alpha)


def page(rows: dict[str, list[dict[str, float]]]) -> str:
    lines = [
        "# Gallery",
        "",
        "Made by `python3 dev.py gallery`: 512 px on the longer side, 100 steps and 1,000 stamps unless stated",
        "otherwise. PSNR and SSIM are those of the anti-aliased pictures shown. The portrait of the astronaut Eileen",
        "Collins is NASA's (public domain); `docs/gallery/targets.py` and `docs/demo/stamps.py` draw the other targets",
        "and all stamps.",
    ]
    for section in SECTIONS:
        lines += [
            "",
            f"## {section.title}",
            "",
            section.text,
            "",
            f"![{section.title}](gallery/{section.name}.jpg)",
            "",
        ]
        extra = "inside" in rows[section.name][0]
        lines += ["| picture | stamps | options of `fit` | PSNR | SSIM |" + extra * " inside | IoU |"]
        lines += ["|---|---|---|---|---|" + extra * "---|---|"]
        for cell, metrics in zip(section.cells, rows[section.name], strict=True):
            if cell.on_white:
                continue
            options = f"`{cell.options}`" if cell.options else ""
            quality = f"{metrics['psnr_aa']:.2f} dB | {metrics['ssim_aa']:.3f}"
            if extra:
                quality += f" | {100 * metrics['inside']:.2f} % | {metrics['iou']:.3f}"
            lines.append(f"| {cell.caption} | {cell.stamps.replace('_', ' ')} | {options} | {quality} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
