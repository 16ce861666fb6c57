"""What the gallery shows: for each section a target and, cell by cell, the options of `python -m backend fit`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """One fit. options are those of the command line; stamps names the gallery's own stamps or a folder of them.

    on_white: show the previous cell's fit on white instead of a checkerboard.
    """

    caption: str
    stamps: str
    options: str
    on_white: bool = False


@dataclass(frozen=True)
class Section:
    name: str  # of its picture
    title: str
    text: str
    target: str
    cells: tuple[Cell, ...]


def _recipes(stamps: str, count: int) -> tuple[Cell, ...]:
    return (
        Cell(f"paper, {count}", stamps, f"--count {count} --recipe paper"),
        Cell(f"default, {count}", stamps, f"--count {count}"),
        Cell(f"default, stretch 3, {count}", stamps, f"--count {count} --stretch 3"),
    )


_REGIONS = (
    "--region disc_mask.png leaf.png --region star_mask.png blossom.png --region letter_mask.png letter_a.png "
    "--count 600 --transparent"
)

SECTIONS = (
    Section(
        "portrait",
        "Recipes: a portrait of brush strokes",
        "The published recipe, the default, and the default with stamps stretched up to 3 : 1.",
        "astronaut.png",
        (*_recipes("brush_stroke", 1000), *_recipes("brush_stroke", 200)),
    ),
    Section(
        "landscape",
        "Recipes: a landscape of leaves",
        "Soft slopes, one ridge behind the other.",
        "landscape.png",
        (*_recipes("leaf", 1000), *_recipes("leaf", 200)),
    ),
    Section(
        "poster",
        "Recipes: lettering of letters",
        "Flat colors and sharp edges, made of the letters A and O.",
        "poster.png",
        (*_recipes("letter_a letter_o", 1000), *_recipes("letter_a letter_o", 200)),
    ),
    Section(
        "stamps",
        "Stamps",
        "1,000 of each; the mixed set keeps 60 % of its own colors.",
        "astronaut.png",
        (
            Cell("disc", "disc", ""),
            Cell("leaf", "leaf", ""),
            Cell("petal", "petal", ""),
            Cell("letters", "letter_a letter_o", ""),
            Cell("all, multiply 0.6", "all", "--mode multiply --blend 0.6"),
        ),
    ),
    Section(
        "counts",
        "Numbers of stamps",
        "Discs.",
        "astronaut.png",
        tuple(Cell(f"{count}", "disc", f"--count {count}") for count in (50, 100, 200, 500, 2000)),
    ),
    Section(
        "limits",
        "Limits",
        "1,000 petals: no transparency, few colors, and compositing in linear light.",
        "astronaut.png",
        (
            Cell("free", "petal", ""),
            Cell("opaque only", "petal", "--opaque"),
            Cell("palette of 8", "petal", "--palette-size 8"),
            Cell("palette of 8, opaque", "petal", "--palette-size 8 --opaque"),
            Cell("linear light", "petal", "--space linear"),
        ),
    ),
    Section(
        "original",
        "Original colors",
        "64 photograph-like stamps that keep their colors: small landscapes of every season and hour.",
        "astronaut.png",
        (
            Cell("1,000 landscapes", "snapshots", "--mode original"),
            Cell("1,000 landscapes, opaque", "snapshots", "--mode original --opaque"),
            Cell("3,000 landscapes, opaque", "snapshots", "--mode original --opaque --count 3000"),
        ),
    ),
    Section(
        "tiles",
        "Original colors: tiles of a photograph",
        "The landscape made of 64 round pieces of the portrait, which has no green and hardly any blue. Opaque tiles "
        "cannot mix; where none has the right color, they break into small pieces.",
        "landscape.png",
        (
            Cell("1,000 tiles", "tiles", "--mode original"),
            Cell("1,000 tiles, opaque", "tiles", "--mode original --opaque"),
            Cell("3,000 tiles, opaque", "tiles", "--mode original --opaque --count 3000"),
        ),
    ),
    Section(
        "cutout",
        "A target with transparency",
        "Drawn without a canvas, on a checkerboard. PSNR and SSIM measure the target's visible parts, on white.",
        "toadstool.png",
        (
            Cell("paper, petals", "petal", "--recipe paper"),
            Cell("default, petals", "petal", ""),
            Cell("default, petals, 200", "petal", "--count 200"),
        ),
    ),
    Section(
        "regions",
        "Regions",
        "A disc of leaves, a star of blossoms and a letter A of letters A, 600 stamps in all, on a transparent canvas. "
        "Inside: the share of each region's own alpha that lies in its mask (the smallest of the three). IoU: the sum "
        "of the minima over the sum of the maxima of the result's alpha and all masks.",
        "regions.png",
        (
            Cell("600 stamps", "leaf blossom letter_a", _REGIONS),
            Cell("on white", "leaf blossom letter_a", _REGIONS, on_white=True),
        ),
    ),
    Section(
        "importance",
        "Importance",
        "300 discs: every pixel counts alike, or the face counts more.",
        "astronaut.png",
        (
            Cell("all alike", "disc", "--count 300"),
            Cell("face", "disc", "--count 300 --importance face.png"),
        ),
    ),
)
