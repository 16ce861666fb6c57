"""What the options of `fit` make of a job, and what it finds for them."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.__main__ import main
from backend.cli import _parser
from backend.cli.fit import job_of
from backend.job import PRESETS, Limits, RegionSpec, Settings, TemplateSpec, UserError
from backend.job.job import Job
from backend.layouts.result_folder import load_result
from backend.runs.inputs import load_importance

QUICK = ("--count", "24", "--size", "48", "--iterations", "6", "--threads", "1")


def job(target: Path, *options: object) -> Job:
    return job_of(_parser().parse_args([str(o) for o in ("fit", target, "--out", "nowhere", *options)]))


def fitted(target: Path, stamps: list[Path], out: Path, *options: str) -> Path:
    assert main(["fit", str(target), "--templates", *map(str, stamps), "--out", str(out), *QUICK, *options]) == 0
    return out


def test_without_options_everything_is_as_it_is_by_default(target: Path, stamp: Path) -> None:
    plain = job(target, "--templates", stamp)
    assert plain == Job(str(target), [TemplateSpec(str(stamp))], Settings())


def test_limits_of_every_stamp(target: Path, stamp: Path) -> None:
    options = ["--stretch", 3, "--mirror", "--size-range", 0.01, 0.2, "--rotation", -15, 15, "--opacity", 0.3, 1]
    made = job(target, "--templates", stamp, stamp, *options, "--at-most", 50, "--shares", 3, 1)
    expected = Limits(3.0, True, (0.01, 0.2), (math.radians(-15), math.radians(15)), (0.3, 1.0), 3.0, 50)
    assert [spec.limits for spec in made.templates] == [expected, replace(expected, share=1.0)]
    assert made.settings.usage == "shares"
    assert job(target, "--templates", stamp, "--opaque").templates[0].limits.opacity_range == (1.0, 1.0)
    assert job(target, "--templates", stamp, "--even").settings.usage == "shares"


@pytest.mark.parametrize(
    ("options", "mode", "blend"),
    [
        ((), "tint", 0.0),
        (("--mode", "mix"), "mix", 0.5),
        (("--mode", "multiply"), "multiply", 1.0),
        (("--mode", "original"), "mix", 1.0),
        (("--mode", "multiply", "--blend", "0.2"), "multiply", 0.2),
    ],
)
def test_modes(target: Path, stamp: Path, options: tuple[str, ...], mode: str, blend: float) -> None:
    (spec,) = job(target, "--templates", stamp, *options).templates
    assert (spec.mode, spec.blend) == (mode, blend)


def test_settings(target: Path, stamp: Path) -> None:
    options = ["--loss", "mse=1", "ssim=0.2", "l1", "--palette", "ff0000,#00FF00", "--spacing", 0.02]
    options += ["--order", "small_front", "--lock", "rotation", "color", "--preset", "high", "--time-limit", 20]
    options += ["--exact"]
    settings = job(target, "--templates", stamp, *options).settings
    assert settings == Settings(
        iterations=PRESETS["high"]["iterations"],
        time_limit=20.0,
        losses={"mse": 1.0, "ssim": 0.2, "l1": 1.0},
        palette=[(1.0, 0.0, 0.0), (0.0, 1.0, 0.0)],
        spacing=0.02,
        order="small_front",
        locked=["rotation", "color"],
        exact=True,
    )
    assert job(target, "--templates", stamp, "--preset", "draft", "--iterations", 7).settings.iterations == 7


def test_the_quality_of_a_large_canvas_is_told_as_an_estimate_unless_it_is_measured(
    target: Path, stamp: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("backend.runs.measure.LARGE", 32)
    for options in ((), ("--exact",), ("--exact", "--no-exact")):
        out = fitted(target, [stamp], tmp_path / "out", *options)
        exact = options == ("--exact",)
        assert (" (about " in capsys.readouterr().err) != exact
        assert ("estimated" in json.loads((out / "metrics.json").read_text())) != exact


def test_a_job_folder_keeps_what_is_not_mentioned(target: Path, stamp: Path, tmp_path: Path) -> None:
    limits = Limits(stretch=2.0, share=5.0, opacity_range=(0.5, 0.6))
    specs = [TemplateSpec(str(stamp), mode="multiply", blend=0.25, limits=limits), TemplateSpec(str(stamp))]
    settings = Settings(count=77, usage="shares", palette=[(0.0, 0.0, 1.0)], iterations=9)
    Job(str(target), specs, settings).save(tmp_path)
    same = job(tmp_path)
    assert same.templates == specs
    assert same.settings == settings
    changed = job(tmp_path, "--opaque", "--palette-size", 4, "--preset", "draft", "--blend", 0.5)
    assert changed.templates[0].limits == Limits(stretch=2.0, share=5.0, opacity_range=(1.0, 1.0))
    assert changed.templates[1].limits == Limits(opacity_range=(1.0, 1.0))
    assert (changed.templates[0].mode, changed.templates[0].blend) == ("multiply", 0.5)
    assert changed.settings == Settings(
        count=77, usage="shares", palette_size=4, iterations=PRESETS["draft"]["iterations"]
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--shares", "1", "2"), "--shares has 2 numbers, but there are 1 stamps"),
        (("--shares", "1", "--even"), "not allowed with"),
        (("--opaque", "--opacity", "0", "1"), "not allowed with"),
        (("--palette", "ff0000", "--palette-size", "3"), "not allowed with"),
        (("--palette", "ff0000,red"), "'red' is not a color"),
        (("--size-range", "0.5", "0.1"), "size_range is (0.5, 0.1), but a lower and an upper limit are needed"),
        (("--size-range", "0", "0"), "never seen"),
        (("--opacity", "0.5", "1.5"), "opacity_range is 1.5"),
        (("--rotation", "-900", "900"), "rotation_range is"),
        (("--stretch", "0.5"), "stretch is 0.5"),
        (("--stretch", "nan"), "stretch is nan"),
        (("--at-most", "-1"), "most is -1"),
        (("--loss", "mse=much"), "'mse=much' is not a loss with its weight"),
        (("--loss", "mse=-1"), "The weight of the loss mse is -1"),
        (("--spacing", "2"), "spacing is 2"),
        (("--lock", "hue"), "invalid choice: 'hue'"),
        (("--preset", "best"), "invalid choice: 'best'"),
        (("--importance", "nowhere.png"), "There is no nowhere.png"),
    ],
)
def test_wrong_options(target: Path, stamp: Path, options: tuple[str, ...], words: str) -> None:
    with pytest.raises(UserError) as caught:
        job(target, "--templates", stamp, *options)
    assert words in caught.value.message


def test_a_job_of_files_elsewhere_is_followed_only_on_request(target: Path, stamp: Path, tmp_path: Path) -> None:
    Job(str(target), [TemplateSpec(str(stamp))]).save(tmp_path / "job")
    with pytest.raises(UserError, match=r"is an absolute path: .* or fit with --outside"):
        job(tmp_path / "job")
    assert job(tmp_path / "job", "--outside").target == str(target)


def test_pictures_are_not_for_job_folders(target: Path, stamp: Path, tmp_path: Path) -> None:
    Job(str(target), [TemplateSpec(str(stamp))]).save(tmp_path)
    with pytest.raises(UserError, match=r"--importance is for a target that is a picture"):
        job(tmp_path, "--importance", target)


def test_importance_has_the_mean_1_where_the_target_counts(tmp_path: Path, target: Path, stamp: Path) -> None:
    Image.fromarray(np.array([[0, 0, 0, 255]], np.uint8)).save(tmp_path / "gray.png")
    plain = Job(str(target), [TemplateSpec(str(stamp))])
    assert load_importance(plain, np.zeros((3, 4, 8), np.float32), None) is None
    plain.importance = str(tmp_path / "gray.png")
    everywhere = load_importance(plain, np.zeros((3, 4, 8), np.float32), None)
    assert everywhere is not None
    assert everywhere.mean() == pytest.approx(1.0)
    assert everywhere[0, 7] / everywhere[0, 0] == pytest.approx(8.0)
    weight = np.broadcast_to(np.float32(np.arange(8) >= 5), (4, 8))
    masked = load_importance(plain, np.zeros((3, 4, 8), np.float32), weight)
    assert masked is not None
    assert (masked * weight).sum() / weight.sum() == pytest.approx(1.0)


def test_what_is_asked_for_holds_exactly_in_the_layout(target: Path, stamp: Path, tmp_path: Path) -> None:
    options = ["--size-range", "0.1", "0.3", "--rotation", "170", "190", "--opacity", "0.4", "0.8", "--stretch", "2"]
    options += [
        "--palette",
        "ff0000,00ff00,333333",
        "--spacing",
        "0.05",
        "--order",
        "large_front",
        "--shares",
        "3",
        "1",
    ]
    layout, _ = load_result(fitted(target, [stamp, stamp], tmp_path / "out", *options))
    assert np.bincount(layout.template).tolist() == [18, 6]
    for values, low, high in (
        (layout.scale, 0.05 * 48, 0.15 * 48),
        (layout.rotation, math.radians(170), math.radians(190)),
        (layout.opacity, 0.4, 0.8),
        (layout.aspect, 0.5, 2.0),
    ):
        assert values.min() >= np.float32(low)
        assert values.max() <= np.float32(high)
    allowed = np.array([[1, 0, 0], [0, 1, 0], [0.2, 0.2, 0.2]], np.float32)
    assert (layout.color[0][:, None] == allowed).all(2).any(1).all()
    assert (np.diff(layout.scale[0]) <= 0).all()
    apart = np.hypot(*(a[0][:, None] - a[0] for a in (layout.x, layout.y)))
    assert apart[~np.eye(24, dtype=bool)].min() >= 0.05 * 48 - 1e-3
    assert layout.templates[0].limits.stretch == 2.0


def test_opaque_only_original_colors(target: Path, stamp: Path, tmp_path: Path) -> None:
    out = fitted(target, [stamp], tmp_path / "out", "--opaque", "--mode", "original", "--rotation", "0", "0")
    layout, _ = load_result(out)
    assert (layout.opacity == 1.0).all()
    assert (layout.rotation == 0.0).all()
    assert (layout.templates[0].mode, layout.templates[0].blend) == ("mix", 1.0)
    assert json.loads((out / "metrics.json").read_text())["count"] == 24


def test_lack_of_room_is_named_before_the_fit(
    target: Path, stamp: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    for options, words in (
        (["--at-most", "3"], "1 stamp at most 3 times makes 3 primitives, but 24 are needed"),
        (["--spacing", "0.5"], "24 primitives do not fit on the canvas with a spacing of 0.5"),
    ):
        command = ["fit", str(target), "--templates", str(stamp), "--out", str(out), *QUICK, *options]
        assert main(command) == 2
        assert words in capsys.readouterr().err
        assert not out.exists()


def test_regions_with_stamps_of_their_own(
    target: Path, stamp: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other, masks = tmp_path / "other.png", [tmp_path / "left.png", tmp_path / "right.png"]
    Image.fromarray(np.full((8, 8, 4), 255, np.uint8)).save(other)
    for number, mask in enumerate(masks):
        half = np.zeros((48, 64), np.uint8)
        half[:, 32 * number : 32 * (number + 1)] = 255
        Image.fromarray(half).save(mask)
    own = ["--region", masks[0], other, stamp, "--region", masks[1]]
    made = job(target, "--templates", stamp, *own, "--containment", 3)
    assert [Path(spec.file).name for spec in made.templates] == ["leaf.png", "other.png"]
    assert made.regions == [RegionSpec("left", str(masks[0]), [1, 0]), RegionSpec("right", str(masks[1]), [0])]
    assert made.settings.containment == 3.0
    assert job(target, "--region", masks[0], other).templates == [TemplateSpec(str(other))]
    with pytest.raises(UserError, match=r"There is no stamp"):
        job(target, *own)
    with pytest.raises(UserError, match=r"There is no .*none.png"):
        job(target, "--region", tmp_path / "none.png", other)
    out = fitted(target, [stamp], tmp_path / "out", *map(str, own))
    layout, _ = load_result(out)
    assert set(layout.region.tolist()) == {0, 1}
    assert set(layout.template[layout.region == 1].tolist()) == {0}
    assert main(["fit", str(target), "--out", "x", "--region", str(masks[0]), str(other), "--start", str(out)]) == 2
    assert "cannot continue" in capsys.readouterr().err
