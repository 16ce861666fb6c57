"""Clips made of layouts: parts that are joined, transitions and growths."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.__main__ import main
from backend.fitting import fit
from backend.fitting.reporter import Snapshot
from backend.job import EASINGS, GROWTHS, Animation, Settings, UserError
from backend.job.layout import Layout
from backend.layouts.animate import course, growth, retimed, transition
from backend.layouts.easings import FORMULAS, eased
from backend.layouts.merge import merged
from backend.layouts.rendering import render_layout
from backend.layouts.result_folder import ResultFolder, load_result
from backend.native.arrays import FloatArray
from backend.pictures.images import save_png
from tests.backend.fitting.clip.test_clip import CLIP, FRAMES, fitted
from tests.backend.support.pictures import discs, rolling_ball

SETTINGS = Settings(count=30, size=64, iterations=10, engine="cpu", threads=1)


def still(seed: int, count: int = 30) -> Layout:
    return fit(rolling_ball(seed, seed), discs(), replace(SETTINGS, count=count, seed=seed)).layout


def picture(layout: Layout, frame: int = 0) -> FloatArray:
    return render_layout(layout, discs(), frame=frame, engine="cpu")[:3]


def folder_of(layout: Layout, path: Path) -> str:
    ResultFolder(path, discs()).save(layout)
    return str(path)


def test_every_easing_has_its_formula() -> None:
    assert list(FORMULAS) == list(EASINGS)


@pytest.mark.parametrize("name", EASINGS)
def test_easings_go_from_0_to_1(name: str) -> None:
    values = eased(name, np.linspace(-0.5, 1.5, 201))
    assert values[50] == pytest.approx(0.0, abs=1e-9)
    assert values[150] == pytest.approx(1.0, abs=1e-9)
    assert np.isfinite(values).all()
    assert np.abs(np.diff(values)).max() < 0.2


@pytest.mark.parametrize("counts", [(30, 30), (30, 12), (12, 30)])
def test_a_transition_shows_the_layouts_and_nothing_jumps(counts: tuple[int, int]) -> None:
    layouts = [still(0, counts[0]), still(3, counts[1]), still(0, counts[0])]
    clip = transition(layouts, discs(), Animation(frames=10, hold=2))
    assert len(clip.frames) == 2 + 2 * (10 + 1)
    for frame, layout in ((0, layouts[0]), (11, layouts[1]), (12, layouts[1]), (len(clip.frames) - 1, layouts[2])):
        # But for mip levels, of which each has one for all.
        assert np.abs(picture(clip, frame) - picture(layout)).mean() < 0.01
    steps = np.hypot(np.diff(clip.x, axis=0), np.diff(clip.y, axis=0))
    seen = clip.opacity > 0
    assert steps[seen[1:] & seen[:-1]].max() < 0.2 * 80
    assert clip.count <= sum(counts) + counts[0]


def test_equal_layouts_do_not_move() -> None:
    layout = still(0)
    clip = transition([layout, layout], discs(), Animation(frames=4, hold=0))
    assert clip.count == layout.count
    assert np.ptp(clip.x, axis=0).max() < 1e-4
    assert np.ptp(clip.rotation, axis=0).max() < 1e-5


@pytest.mark.parametrize("order", GROWTHS)
def test_a_picture_grows(order: str) -> None:
    layout = still(0)
    clip = growth(layout, Animation(frames=8, order=order, hold=2))
    assert len(clip.frames) == 10
    assert not (clip.opacity[0] > 0).any()
    seen = (clip.opacity > 0.01).sum(1)
    assert (np.diff(seen) >= 0).all()
    assert np.array_equal(picture(clip, 9), picture(layout))
    first = int(np.argmax(clip.scale[1] / layout.scale[0]))
    if order == "back":
        assert first == layout.count - 1
    if order == "left":
        assert layout.x[0, first] == layout.x.min()


def test_parts_of_a_clip_are_joined() -> None:
    images = [rolling_ball(frame) for frame in range(FRAMES)]
    first = fitted(images[:4]).layout
    second = fitted(images[3:], start=first).layout
    second.frames = [4, 5, 6, 7]
    whole = merged([first, second], ["a", "b"])
    assert whole.frames == list(range(1, FRAMES + 1))
    assert whole.count == second.count
    for frame in range(FRAMES):
        part, index = (first, frame) if frame < 4 else (second, frame - 3)
        np.testing.assert_allclose(picture(whole, frame), picture(part, index), atol=0.02)
    assert (whole.opacity[0, first.count :] == 0).all()


def test_parts_that_do_not_go_together_are_named() -> None:
    images = [rolling_ball(frame) for frame in range(4)]
    first = fitted(images[:2], clip=replace(CLIP, refinement=0)).layout
    with pytest.raises(UserError, match="a ends with frame 2 and b begins with 1: one frame must be in both"):
        merged([first, first], ["a", "b"])
    other = replace(fitted(images[1:3], settings=replace(SETTINGS, count=20)).layout, frames=[2, 3])
    with pytest.raises(UserError, match="a and b have different primitives: fit the later part with --start"):
        merged([first, other], ["a", "b"])


def test_the_command_line_makes_and_joins_clips(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = folder_of(still(0), tmp_path / "one"), folder_of(still(3), tmp_path / "two")
    moved, grown = tmp_path / "moved", tmp_path / "grown"
    assert (
        main(["animate", "transition", one, two, "--out", str(moved), "--frames", "3", "--hold", "1", "--render"]) == 0
    )
    assert sorted(path.name for path in (moved / "render").iterdir()) == [
        "0001.png",
        "0002.png",
        "0003.png",
        "0004.png",
    ]
    layout, _ = load_result(moved)
    assert layout.frames == [1, 2, 3, 4]
    assert main(["animate", "growth", one, "--out", str(grown), "--frames", "4", "--order", "left"]) == 0
    assert main(["animate", "transition", one, two]) != 0
    capsys.readouterr()
    for option, value, least, most in (
        ("--frames", "1", "2", "100000"),
        ("--hold", "-1", "0", "100000"),
        ("--fps", "0", "0.001", "10000"),
        ("--overlap", "2", "0", "1"),
    ):
        assert main(["animate", "growth", one, "--out", str(tmp_path / "x"), option, value]) == 2
        assert f"{option} is {value}, but must be from {least} to {most}" in capsys.readouterr().err
    assert main(["animate", "transition", one, "--out", str(tmp_path / "x")]) != 0


def test_a_movie_is_fitted_by_the_command_line(tmp_path: Path) -> None:
    frames = [Image.fromarray((rolling_ball(n).transpose(1, 2, 0) * 255).astype(np.uint8)) for n in range(6)]
    frames[0].save(tmp_path / "ball.gif", save_all=True, append_images=frames[1:], duration=100, loop=0)
    save_png(tmp_path / "disc.png", discs().items[0].rgba)
    out = tmp_path / "out"
    options = ["--count", "30", "--size", "64", "--iterations", "10", "--frame-iterations", "5", "--refinement", "3"]
    command = [
        "fit",
        str(tmp_path / "ball.gif"),
        "--templates",
        str(tmp_path / "disc.png"),
        "--out",
        str(out),
        *options,
    ]
    assert main([*command, "--frames", "2-6", "--step", "2", "--engine", "cpu"]) == 0
    layout, _ = load_result(out)
    assert (layout.frames, layout.fps) == ([2, 4, 6], 10.0)
    assert sorted(path.name for path in (out / "render").iterdir()) == ["0002.png", "0004.png", "0006.png"]
    metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    assert len(metrics["frames"]["psnr"]) == 3
    assert metrics["psnr"] > 14
    assert (out / "metrics.png").exists()
    assert not (out / "progress").exists()
    # Once more, over the old result; and a picture has no frames.
    assert main([*command, "--frames", "1-2", "--scene-start", "-3", "--engine", "cpu"]) == 0
    assert load_result(out)[0].frames == [-3, -2]
    frames[0].save(tmp_path / "still.png")
    assert main(["fit", str(tmp_path / "still.png"), *command[2:], "--step", "2"]) != 0


def test_a_course_shows_each_state_as_it_was() -> None:
    states: list[Layout] = []
    settings = replace(SETTINGS, recording=6)

    def keep(snapshot: Snapshot) -> None:
        if snapshot.current is not None:
            states.append(snapshot.current)

    result = fit(rolling_ball(1, 1), discs(), settings, observer=keep).layout
    assert len(states) == 5
    clip = course([*states, result], discs())
    assert len(clip.frames) == 6
    for frame, state in enumerate([*states, result]):
        # But for mip levels, of which each primitive has one for all.
        assert np.abs(picture(clip, frame) - picture(state)).mean() < 0.01
        assert (clip.opacity[frame] > 0).sum() == (state.opacity > 0).sum()
    # Most primitives are followed, and what is unseen stays where it is.
    assert clip.count < 2 * 30
    unseen = clip.opacity == 0
    assert (np.diff(clip.x, axis=0)[unseen[1:] & unseen[:-1]] == 0).all()
    longer = retimed(clip, Animation(frames=11, hold=2, easing="linear"))
    assert longer.frames == list(range(1, 14))
    assert np.array_equal(picture(longer, 12), picture(clip, 5))


@pytest.mark.parametrize("recording", [1, 2, 50])
def test_a_recording_has_no_more_pictures_than_steps(recording: int) -> None:
    kept = []
    settings = replace(SETTINGS, recording=recording, iterations=4)
    fit(rolling_ball(1, 1), discs(), settings, observer=lambda snapshot: kept.append(snapshot.current))
    assert sum(state is not None for state in kept) == min(recording - 1, 5)


def test_a_fit_is_recorded_and_animated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (32, 24), "teal").save(tmp_path / "target.png")
    Image.new("RGBA", (8, 8), "white").save(tmp_path / "stamp.png")
    stamps, out = ["--templates", str(tmp_path / "stamp.png")], str(tmp_path / "out")
    fitted = ["fit", str(tmp_path / "target.png"), *stamps, "--size", "32", "--count", "5", "--iterations", "6"]
    small = ["--out", str(tmp_path / "clip"), "--frames", "8", "--hold", "0", "--render"]
    assert main([*fitted, "--out", out]) == 0
    assert main(["animate", "recording", out, *small]) == 2
    assert "--record" in capsys.readouterr().err
    assert main([*fitted, "--out", out, "--record", "4"]) == 0
    assert main(["animate", "recording", out, *small]) == 0
    assert len(list((tmp_path / "clip" / "render").iterdir())) == 8
    layout, _ = load_result(tmp_path / "clip")
    assert layout.frames == list(range(1, 9))
    # The folder can be written to again.
    assert main([*fitted, "--out", out]) == 0
    assert not (tmp_path / "out" / "recording").exists()
