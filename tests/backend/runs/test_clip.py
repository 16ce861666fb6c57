"""Clips as the command line is given them: what is there, what is kept, and what is refused."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from backend.__main__ import main
from backend.control import Control
from backend.fitting.clip.regions import MovingRegion, fit_clip_regions
from backend.job import Animation, Clip, Settings, TemplateSpec, UserError
from backend.job.job import Job
from backend.job.layout import Layout
from backend.job.messages import Progress
from backend.layouts.animate import growth
from backend.layouts.merge import merged
from backend.pictures.images import save_png
from backend.pictures.movies import Footage, read_frames
from backend.runs import run_job
from backend.runs.clip import Goals
from tests.backend.fitting.clip.test_clip import CLIP, HEIGHT, SETTINGS, WIDTH, fitted
from tests.backend.fitting.clip.test_clip import Goals as Images
from tests.backend.support.pictures import discs, rolling_ball

SMALL = ["--count", "12", "--size", "64", "--iterations", "6", "--frame-iterations", "4", "--refinement", "2"]


def frames_in(folder: Path, count: int = 5) -> Path:
    folder.mkdir(exist_ok=True)
    for number in range(count):
        save_png(folder / f"{number:03d}.png", rolling_ball(number))
    return folder


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    save_png(tmp_path / "disc.png", discs().items[0].rgba)
    return ["fit", str(frames_in(tmp_path / "frames")), "--templates", str(tmp_path / "disc.png"), *SMALL]


def job_of(command: list[str], tmp_path: Path, **settings: Any) -> Job:
    options = {"count": 12, "size": 64, "iterations": 6, "engine": "cpu", **settings}
    stamps, clip = [TemplateSpec(str(tmp_path / "disc.png"))], Clip(iterations=4, refinement=2)
    return Job(command[1], stamps, Settings(**options), clip=clip)


@pytest.mark.parametrize("name", ["render", "progress", "templates"])
def test_a_users_own_folder_is_never_replaced(
    command: list[str], tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "project" / name / "film.txt"
    own.parent.mkdir(parents=True)
    own.write_text("mine")
    for target in (command[1], str(tmp_path / "frames" / "000.png")):
        arguments = ["fit", target, *command[2:], "--out", str(tmp_path / "project")]
        # The options of clips are not for a picture.
        arguments = arguments if target == command[1] else [*arguments[:-6], *arguments[-2:]]
        assert main(arguments) == 2
        assert f"holds other things than a result ({name})" in capsys.readouterr().err
    assert own.read_text() == "mine"


def test_a_cancelled_run_goes_on_where_it_was(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.runs.events.EVENT_SECONDS", 0.0)
    job = job_of(command, tmp_path)
    control = Control()

    def cancel(event: object) -> None:
        if isinstance(event, Progress) and event.frame == 3:
            control.cancel()

    said: list[str] = []
    run_job(job, tmp_path / "out", cancel, control)
    found = sorted(path.name for path in (tmp_path / "out" / "progress").glob("frame_*"))
    assert len(found) >= 2
    # What cannot be fitted leaves it alone.
    with pytest.raises(UserError, match="is for still pictures"):
        run_job(job_of(command, tmp_path, recipe="paper"), tmp_path / "out", lambda event: None, Control())
    assert sorted(path.name for path in (tmp_path / "out" / "progress").glob("frame_*")) == found
    run_job(job, tmp_path / "out", lambda event: said.append(getattr(event, "text", "")), Control())
    assert any(text.startswith("Continuing after") for text in said)
    assert not (tmp_path / "out" / "progress").exists()
    run_job(job, tmp_path / "whole", lambda event: None, Control())
    layouts = [Layout.load(tmp_path / name) for name in ("out", "whole")]
    assert np.array_equal(layouts[0].x, layouts[1].x)


def test_a_cancel_within_a_later_region_is_no_error() -> None:
    left = [np.zeros((HEIGHT, WIDTH), np.uint8) for _ in range(6)]
    for mask in left:
        mask[:, :32] = 255
    parts = [MovingRegion("left", left), MovingRegion("right", [~mask for mask in left])]
    images = [rolling_ball(frame, seed=0 if frame < 3 else 9) for frame in range(6)]
    images[3:] = [1.0 - image[:, :, ::-1] for image in images[3:]]
    control = Control()

    def cancel(snapshot: Any) -> None:
        if snapshot.step > 0.55 * snapshot.total and snapshot.frame == 1:
            control.cancel()

    goals = Images(images)
    result = fit_clip_regions(
        goals, parts, discs(), SETTINGS, CLIP, frames=range(6), fps=24.0, observer=cancel, control=control
    )
    assert result.cancelled
    assert all(shot < len(result.layout.frames) for shot in result.shots)


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_animated_pictures_last_as_long_as_they_say(tmp_path: Path, suffix: str) -> None:
    pictures = [Image.new("RGB", (16, 16), (40 * n, 90, 0)) for n in range(4)]
    path = tmp_path / f"a{suffix}"
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=[40, 40, 40, 400], lossless=True)
    reds = [round(np.asarray(picture)[8, 8, 0] / 40) for _, picture in read_frames(path, Clip(fps=25.0))]
    assert reds == [0, 1, 2] + 10 * [3]


def test_masks_with_a_time_of_their_own_keep_step(tmp_path: Path) -> None:
    for name, count, duration, step in (("target", 8, 40, 30), ("mask", 4, 80, 60)):
        pictures = [Image.new("L", (16, 16), step * n + 15) for n in range(count)]
        pictures[0].save(tmp_path / f"{name}.gif", save_all=True, append_images=pictures[1:], duration=duration)
    clip = Clip()
    job = Job(str(tmp_path / "target.gif"), [TemplateSpec("x")], Settings(size=16), mask=str(tmp_path / "mask.gif"))
    with Footage(tmp_path / "target.gif", clip, 16) as footage:
        goals = Goals(job, clip, footage)
        for index in range(8):
            target, weight = goals.picture(index)
            assert weight is not None
            assert round(255 * float(target.mean())) == pytest.approx(30 * index + 15, abs=2)
            assert round(255 * float(weight.mean())) == pytest.approx(60 * (index // 2) + 15, abs=2)


def test_pixels_that_are_not_square_are_made_so(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(2, 1)
        for number in range(3):
            picture = av.VideoFrame.from_ndarray(np.full((48, 48, 3), 50 * number, np.uint8), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    assert [picture.size for _, picture in read_frames(tmp_path / "a.mp4", Clip())] == [(96, 48)] * 3


def test_parts_must_show_their_common_frame_alike() -> None:
    images = [rolling_ball(frame) for frame in range(4)]
    first = fitted(images[:2]).layout
    second = fitted(images[1:], start=first).layout
    second.frames = [2, 3, 4]
    assert merged([first, second], ["a", "b"]).frames == [1, 2, 3, 4]
    moved = Layout(**{**vars(second), "x": second.x + 3.0})
    with pytest.raises(UserError, match="a and b show frame 2, which is in both, in different ways"):
        merged([first, moved], ["a", "b"])
    dark = Layout(**{**vars(second), "background": (0.0, 0.0, 0.0)})
    with pytest.raises(UserError, match="different backgrounds"):
        merged([first, dark], ["a", "b"])


def test_a_part_begins_with_the_last_frame_of_the_one_before(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two, whole = (str(tmp_path / name) for name in ("one", "two", "whole"))
    assert main([*command, "--out", one, "--frames", "1-3"]) == 0
    assert main([*command, "--out", two, "--frames", "4-5", "--start", one]) == 2
    assert f"{one} has no frame 4, with which this part begins: begin with its last, 3" in capsys.readouterr().err
    assert main([*command, "--out", one, "--frames", "3-5", "--start", one]) == 2
    assert "holds the layout to continue from" in capsys.readouterr().err
    assert main([*command, "--out", two, "--frames", "3-5", "--start", one]) == 0
    assert main(["merge", one, two, "--out", one]) == 2
    assert main(["merge", one, two, "--out", whole, "--render"]) == 0
    assert len(list((tmp_path / "whole" / "render").iterdir())) == 5
    picture = str(tmp_path / "frame.png")
    assert main(["render", whole, "--frame", "4", "--out", picture]) == 0
    assert main(["render", whole, "--frame", "9", "--out", picture]) == 2
    assert "has no frame 9: it has 1 to 5" in capsys.readouterr().err


def test_a_still_layout_is_what_the_first_frame_goes_on_from(command: list[str], tmp_path: Path) -> None:
    still, out = str(tmp_path / "still"), str(tmp_path / "out")
    first = str(tmp_path / "frames" / "000.png")
    templates = command[2:4]
    assert main(["fit", first, *templates, "--count", "7", "--size", "64", "--iterations", "6", "--out", still]) == 0
    assert main([*command, "--start", still, "--out", out]) == 0
    layout = Layout.load(tmp_path / "out")
    assert (layout.opacity > 0).sum(1).max() <= 7


def test_all_stamps_grow_even_without_overlap() -> None:
    layout = fitted([rolling_ball(0)]).layout
    grown = growth(layout, Animation(frames=6, overlap=0.0, hold=1))
    assert ((grown.opacity[-1] > 0) == (layout.opacity[0] > 0)).all()


@pytest.mark.parametrize("wrong", [["--frames", "2-0"], ["--fps", "0.0001"]])
def test_what_cannot_be_is_refused_before_the_work(command: list[str], tmp_path: Path, wrong: list[str]) -> None:
    assert main([*command, "--out", str(tmp_path / "out"), *wrong]) == 2
    assert not (tmp_path / "out").exists()
