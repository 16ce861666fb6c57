"""Makes the cases of a seed, each from its number alone."""

from __future__ import annotations

import io
import json
import random
from dataclasses import asdict
from functools import cache
from typing import Any

import numpy as np
from PIL import Image

from backend.job import Clip, ExportSettings, Job, RegionSpec, Settings, TemplateSpec
from tests.trust.support.fuzz import bytes as binary
from tests.trust.support.fuzz import texts
from tests.trust.support.fuzz.case import Case

KINDS = {
    "job": 4,
    "export": 3,
    "layout": 5,
    "arrays": 5,
    "picture": 7,
    "movie": 3,
    "worker": 4,
    "options": 5,
    "blend": 4,
}
"""How many of forty cases are of each kind."""

_ROUND = [kind for kind, count in KINDS.items() for _ in range(count)]
COUNT = 5


def case_of(seed: int, number: int, only: str = "") -> Case:
    """Returns a case of a seed. only: a kind, "" = all in turn."""
    kind = only or random.Random(f"{seed}/{number // len(_ROUND)}").sample(_ROUND, len(_ROUND))[number % len(_ROUND)]
    rng = random.Random(f"{seed}/{kind}/{number}")
    makers = {
        "job": _job,
        "export": _export,
        "layout": _layout,
        "arrays": _arrays,
        "picture": _picture,
        "movie": _movie,
        "worker": _worker,
        "options": _options,
        "blend": _blend,
    }
    return makers[kind](rng)


@cache
def stamp() -> bytes:
    """A PNG of 8 x 8 px."""
    rgba = np.full((8, 8, 4), 200, np.uint8)
    rgba[2:6, 2:6] = 255
    file = io.BytesIO()
    Image.fromarray(rgba).save(file, "PNG")
    return file.getvalue()


def job_data() -> dict[str, Any]:
    """What job.json holds: everything once."""
    specs = [TemplateSpec(f"templates/{name}.png", name=name, width=8, height=8) for name in "ab"]
    settings = Settings(count=COUNT, size=16, iterations=1, engine="cpu", threads=1, preview_seconds=0.0)
    job = Job("pictures/target.png", specs, settings, mask="pictures/mask.png", importance="pictures/mask.png")
    return {"schema": 1, **asdict(job)}


def layout_data() -> dict[str, Any]:
    """What layout.json holds."""
    specs = [TemplateSpec(f"templates/{name}.png", name=name, width=8, height=8) for name in "ab"]
    canvas = {"width": 16, "height": 12, "space": "display", "background": [1.0, 1.0, 1.0], "transparent": False}
    return {"schema": 1, **canvas, "fps": 24.0, "frames": [1], "templates": [asdict(spec) for spec in specs]}


@cache
def _numbers() -> tuple[tuple[str, Any], ...]:
    rng, shape = np.random.default_rng(1), (1, COUNT)
    moving = {name: rng.uniform(2, 12, shape).astype(np.float32) for name in ("x", "y", "scale")}
    ones = {name: np.ones(shape, np.float32) for name in ("aspect", "opacity", "rotation")}
    fixed = {"template": np.arange(COUNT, dtype=np.int32) % 2, "region": np.zeros(COUNT, np.int32)}
    flags = {name: np.zeros(COUNT, bool) for name in ("mirror", "locked")}
    rest = {"color": np.full((1, COUNT, 3), 0.5, np.float32), "level": np.zeros((COUNT, 2), np.int32)}
    return tuple({**moving, **ones, **fixed, **flags, **rest}.items())


def arrays() -> dict[str, Any]:
    """What layout.npz holds."""
    return {name: array.copy() for name, array in _numbers()}


def _text(data: dict[str, Any]) -> bytes:
    return json.dumps(data).encode()


def _job_files() -> dict[str, bytes]:
    stamps = {f"templates/{name}.png": stamp() for name in "ab"}
    return {"pictures/target.png": stamp(), "pictures/mask.png": stamp(), "job.json": _text(job_data()), **stamps}


def _layout_files() -> dict[str, bytes]:
    stamps = {f"templates/{name}.png": stamp() for name in "ab"}
    return {"layout.json": _text(layout_data()), "layout.npz": binary.packed(arrays()), **stamps}


_ODD: dict[str, Any] = {
    "links": {"link.png": "OUTSIDE/secret.png", "loop": "loop"},
    "pipes": ["pipe.png"],
}


def _job(rng: random.Random) -> Case:
    data = job_data()
    if rng.random() < 0.4:
        data["mask"] = ""
        data["regions"] = [asdict(_region())]
    if rng.random() < 0.3:
        data["clip"] = asdict(Clip(end=2, iterations=1, refinement=1))
    raw, name = texts.damaged(data, rng)
    return Case("job", name, {**_job_files(), "job.json": raw}, **_ODD)


def _region() -> RegionSpec:
    return RegionSpec("left", "pictures/mask.png", [0], 1.0, {"palette_size": 3, "spacing": 0.01})


ENDINGS = (".png", ".psd", ".psb", ".ora", ".svg", ".json", ".gif", ".webp", ".mp4", "")


def _export(rng: random.Random) -> Case:
    settings = asdict(ExportSettings(width=16, engine="cpu", threads=1))
    data = {"schema": 1, "layout": ".", "settings": settings, "token": "abc"}
    raw, name = texts.damaged(data, rng)
    return Case(
        "export", name, {**_layout_files(), "export.json": raw}, arguments=[f"out{rng.choice(ENDINGS)}"], **_ODD
    )


def _layout(rng: random.Random) -> Case:
    raw, name = texts.damaged(layout_data(), rng)
    return Case("layout", name, {**_layout_files(), "layout.json": raw}, arguments=[rng.choice(ENDINGS)], **_ODD)


def _arrays(rng: random.Random) -> Case:
    raw, name = binary.archive(arrays(), rng)
    return Case("arrays", name, {**_layout_files(), "layout.npz": raw}, arguments=[rng.choice(ENDINGS)])


@cache
def _pictures() -> dict[str, bytes]:
    return binary.pictures()


@cache
def _movies() -> dict[str, bytes]:
    return binary.movies() | {name: data for name, data in _pictures().items() if name in ("a.gif", "b.webp", "e.png")}


def _picture(rng: random.Random) -> Case:
    name = rng.choice(list(_pictures()))
    data = _pictures()[name]
    way = rng.random()
    if way < 0.25:
        data, said = binary.claiming(name, data, rng)
    elif way < 0.4 and name.endswith(".png"):
        data, said = binary.pieces(data, rng)
    else:
        data, said = binary.flipped(data, rng)
    other = rng.choice(list(_pictures())) if rng.random() < 0.1 else name
    return Case("picture", f"{name}: {said}", {other: data}, arguments=[other])


def _movie(rng: random.Random) -> Case:
    name = rng.choice(list(_movies()))
    data, said = binary.flipped(_movies()[name], rng)
    return Case("movie", f"{name}: {said}", {name: data}, arguments=[name])


def _worker(rng: random.Random) -> Case:
    lines, names = [], []
    for _ in range(rng.choice((1, 2, 4))):
        command = rng.choice(("fit", "export", "pause", "continue", "cancel"))
        data = {"command": command, "job": "HERE/missing", "out": "HERE/out"}
        raw, name = texts.damaged(data, rng)
        lines.append(raw.replace(b"\n", b" ").decode("utf-8", "surrogateescape"))
        names.append(name)
    files = {}
    if rng.random() < 0.3:
        raw, name = texts.damaged(job_data(), rng)
        files = {**_job_files(), "job.json": raw}
        lines.append(json.dumps({"command": "fit", "job": "HERE", "out": "HERE/out"}))
        names.append(name)
    return Case("worker", "; ".join(names), files, arguments=lines)


# No system passes a NUL on a command line.
PATHS = (
    *(
        "HERE/loop",
        "HERE/loop/x",
        "HERE/" + "name" * 63 + ".png",
        "HERE/" + "name" * 70,
        "HERE/a\0b.png",
        "HERE/\udcff.png",
    ),
    *(
        "/dev/null",
        "/dev/full",
        "/dev/zero",
        "HERE/pipe.png",
        "HERE/link.png",
        "HERE/pictures/target.png/x",
        "HERE",
        "",
        ".",
        "HERE/.",
    ),
    *(
        "HERE/no/such/folder/x",
        "HERE/CON",
        "HERE/a:b.png",
        "HERE/ .png",
        "HERE/-x",
        "-",
        "--",
        "HERE/\u202e.png",
        "/proc/self/mem",
    ),
    *(
        "HERE/" + "d/" * 2500 + "x",
        "HERE/layout.json",
        "HERE/empty.png",
        "HERE/a\nb.png",
        "HERE/x.exe",
        "HERE/job.json",
    ),
)
NUMBERS = (
    "0",
    "-1",
    "1e999",
    "nan",
    "inf",
    "1" * 5000,
    "1" + "0" * 400,
    "x",
    "",
    "\u0663",
    "1,2,3",
    "0.5",
    "2-1",
    "1-2",
    "\udcff",
)
OPTIONS = (
    *(
        "--count",
        "--size",
        "--iterations",
        "--time-limit",
        "--seed",
        "--background",
        "--palette",
        "--opacity",
        "--rotation",
    ),
    *(
        "--frames",
        "--at-most",
        "--engine",
        "--preset",
        "--mask",
        "--importance",
        "--start",
        "--loss",
        "--shares",
        "--lock",
    ),
)


def _options(rng: random.Random) -> Case:
    """A command line with an odd path or value."""
    command = rng.choice(("fit", "fit", "export", "render", "animate"))
    odd = rng.choice(PATHS)
    # Nothing odd is written to, where it is a place of the system's, or a name for one outside of the case's folder.
    inside = odd if odd.startswith("HERE/") and odd not in ("HERE/.", "HERE/link.png") else "HERE/out"
    if command == "fit":
        given = {"target": "HERE/pictures/target.png", "--templates": "HERE/templates", "--out": "HERE/out"}
        key = rng.choice(list(given))
        given[key] = inside if key == "--out" else odd
        line = ["fit", given.pop("target"), *(part for pair in given.items() for part in pair)]
        line += ["--count", "5", "--size", "16", "--iterations", "1", "--engine", "cpu", "--threads", "1"]
        if rng.random() < 0.5:
            line += [rng.choice(OPTIONS), rng.choice((*NUMBERS, odd))]
    else:
        more = ["growth"] if command == "animate" else []
        source, out = ("HERE", inside) if rng.random() < 0.7 else (odd, "HERE/out.png")
        line = [command, *more, source, "--out", out]
        if rng.random() < 0.5:
            line += [rng.choice(("--width", "--frame", "--frames", "--supersample", "--engine")), rng.choice(NUMBERS)]
    files = {**_job_files(), **_layout_files(), "empty.png": b""}
    del files["job.json"]
    return Case("options", " ".join(line)[:200], files, arguments=line, **_ODD)


STORED = ("settings", "shapes", "x", "color", "template", "level", "locked", "stamps", "frames", "mirror", "depth")


def _blend(rng: random.Random) -> Case:
    """Parts of a stored layout that are replaced: a name, and JSON."""
    key = rng.choice(STORED)
    if key in ("settings", "shapes"):
        stored = layout_data() if key == "settings" else {name: list(array.shape) for name, array in arrays().items()}
        stored.pop("schema", None)
        raw, name = texts.damaged(stored, rng)
        value = json.dumps(raw.decode("utf-8", "replace"))
    else:
        value = rng.choice(
            ("null", "[]", "[1]", "[0.5, 1e30]", '"text"', '{"0": 1}', "7", "[1e400]", "[-1, 2147483647]")
        )
        name = value
    return Case("blend", f"{key}: {name}", arguments=[key, value])
