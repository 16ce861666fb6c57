"""Result folders: whole at any moment, never in place of anything else, and read back."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from backend.control import Control
from backend.export import export
from backend.job import Settings, TemplateSpec, UserError
from backend.job.job import Job
from backend.job.layout import Layout, LevelKey, level_places
from backend.job.messages import Done, Event, Progress
from backend.layouts.level_sheets import LevelSheets
from backend.layouts.rendering import render_layout
from backend.layouts.result_folder import ResultFolder, load_result
from backend.pictures.images import load_rgba
from backend.runs import run_job
from backend.runs.inputs import load_pictures
from backend.templates import Template, Templates, load_templates


def run(job: Job, out: Path, control: Control | None = None) -> list[Event]:
    events: list[Event] = []
    run_job(job, out, events.append, control or Control())
    return events


def used(layout: Layout) -> set[LevelKey]:
    return set(zip(layout.template.tolist(), *layout.level.T.tolist(), strict=True))


def listed(folder: Path) -> set[LevelKey]:
    lists = [json.loads(path.read_text())["levels"] for path in folder.glob("levels/*.json")]
    return {(row[0], row[1], row[2]) for rows in lists for row in rows}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_job_leaves_a_whole_result(job: Job, tmp_path: Path) -> None:
    job.templates.append(TemplateSpec(job.templates[0].file, "Blatt ä/1", "mix", 0.5))
    out = tmp_path / "deep" / "out"
    events = run(job, out)
    assert names(out.parent) == {"out"}
    assert names(out) == {
        *("layout.npz", "layout.json", "levels", "metrics.json", "preview.png", "render.png", "templates")
    }
    assert events[-1] == Done(str(out), False)
    steps = [event for event in events if isinstance(event, Progress)]
    assert steps[0].preview == str(out / "preview.png")
    assert steps[-1].step == steps[-1].total == 8

    layout, templates = load_result(out)
    assert (layout.width, layout.height, layout.count) == (64, 48, 40)
    assert names(out / "templates") == {"000_leaf.png", "001_Blatt_ä_1.png"}
    assert [(spec.name, spec.mode, spec.blend) for spec in layout.templates][1] == ("Blatt ä/1", "mix", 0.5)
    assert sorted(path.suffix for path in (out / "levels").iterdir()) == [".json", ".png"]
    assert listed(out) == used(layout)
    shown = load_rgba(out / "render.png")[..., :3].astype(int)
    again = np.rint(255 * render_layout(layout, templates)[:3].transpose(1, 2, 0))
    assert (shown == again).all()

    metrics = json.loads((out / "metrics.json").read_text())
    assert set(metrics) == {
        *("psnr", "ssim", "psnr_aa", "ssim_aa", "seconds", "cpu", "iterations", "count", "engine", "device")
    }
    assert metrics["count"] == 40
    assert metrics["iterations"] == 8
    assert metrics["psnr"] > 12
    assert metrics["seconds"]["total"] >= metrics["seconds"]["fit"] > 0


def test_levels_are_the_bitmaps_with_a_transparent_border(job: Job, tmp_path: Path) -> None:
    job.templates.append(TemplateSpec(job.templates[0].file, "own", "mix", 0.5))
    run(job, tmp_path / "out")
    layout, templates = load_result(tmp_path / "out")
    for key, place in level_places(tmp_path / "out", used(layout)).items():
        picture, bitmap = load_rgba(place.file)[place.cut], templates.bitmap(*key)
        if key[0] == 0:
            bitmap[..., :3] = 255  # it is tinted
        assert (picture[1:-1, 1:-1] == bitmap).all()
        assert not picture[[0, -1], :, 3].any()
        assert not picture[:, [0, -1], 3].any()
        assert (picture[0, 1:-1, :3] == picture[1, 1:-1, :3]).all()


def test_without_previews_there_is_a_checkpoint_all_the_same(job: Job, tmp_path: Path) -> None:
    job.settings = replace(job.settings, preview_seconds=0.0, iterations=50)
    out = tmp_path / "out"
    whole = []

    def emit(event: Event) -> None:
        if isinstance(event, Progress):
            assert event.preview == ""
            whole.append(Layout.load(out).count)

    run_job(job, out, emit, Control())
    assert whole
    assert "preview.png" not in names(out)


def test_a_cancelled_job_keeps_its_best(job: Job, tmp_path: Path) -> None:
    job.settings = replace(job.settings, iterations=100_000)
    control, events, out = Control(), list[Event](), tmp_path / "out"

    def emit(event: Event) -> None:
        events.append(event)
        if isinstance(event, Progress) and event.step > 0:
            control.cancel()

    run_job(job, out, emit, control)
    assert events[-1] == Done(str(out), True)
    assert load_result(out)[0].count == 40
    metrics = json.loads((out / "metrics.json").read_text())
    assert 0 < metrics["iterations"] < 100_000
    assert metrics["psnr"] > 5


def test_cancelled_before_the_start_nothing_is_written(job: Job, tmp_path: Path) -> None:
    control = Control()
    control.cancel()
    assert run(job, tmp_path / "out", control) == [Done("", True)]
    assert not (tmp_path / "out").exists()


def test_the_same_job_gives_the_same_result_and_replaces_the_older(job: Job, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(job, out)
    first = load_result(out)[0]
    (out / ".layout-k3kd93ja.npz").write_bytes(b"left by a killed process")
    (out / "levels" / "000_0x30.png").write_bytes(b"of an older job")
    run(job, out)
    second = load_result(out)[0]
    assert (first.x == second.x).all()
    assert (first.color == second.color).all()
    assert not any(path.name.startswith(".") for path in tmp_path.rglob("*"))
    assert not (out / "levels" / "000_0x30.png").exists()


def test_continuing_from_a_result_in_its_own_place(job: Job, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(job, out)
    before = json.loads((out / "metrics.json").read_text())["psnr"]
    stamps = [TemplateSpec(str(path)) for path in (out / "templates").iterdir()]
    run(replace(job, start=str(out), templates=stamps), out)
    assert json.loads((out / "metrics.json").read_text())["psnr"] > before - 0.5
    assert load_result(out)[0].count == 40


@pytest.mark.parametrize("entry", ["notes.txt", "holiday"])
def test_a_folder_with_other_things_is_left_alone(job: Job, tmp_path: Path, entry: str) -> None:
    out = tmp_path / "out"
    (out / entry).mkdir(parents=True)
    with pytest.raises(UserError, match=f"other things than a result \\({entry}\\)"):
        run(job, out)
    assert names(out) == {entry}


def test_places_that_cannot_be_written_to_are_named(job: Job, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is a file"):
        run(job, tmp_path / "file")
    with pytest.raises(UserError, match="cannot be written to"):
        run(job, tmp_path / "file" / "out")
    with pytest.raises(UserError, match="cannot be written to"):
        run(job, Path("/proc/nowhere/out") if Path("/proc").is_dir() else tmp_path / "file" / "x" / "y")
    with pytest.raises(UserError, match="cannot be written to"):
        run(job, tmp_path / ("n" * 300))
    assert (tmp_path / "file").read_text() == ""


def test_a_full_disk_leaves_nothing_half(job: Job, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="limits of a file's size are POSIX")
    out = tmp_path / "out"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        with pytest.raises(UserError, match=r"cannot be written to.*see that there is space"):
            run(job, out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert names(tmp_path) == {"leaf.png", "target.png"}


def test_target_and_mask_say_where_it_counts(job: Job, tmp_path: Path) -> None:
    rgba = np.full((48, 64, 4), 255, np.uint8)
    rgba[:, :, :3] = (255, 0, 0)
    rgba[:, 32:, 3] = 0
    Image.fromarray(rgba).save(job.target)
    settings = Settings(size=64, background=(0.0, 1.0, 0.0))
    target, weight = load_pictures(replace(job, settings=settings))
    assert weight is not None
    assert (weight[:, :32] == 1).all()
    assert not weight[:, 32:].any()
    assert target[:, 0, 0].tolist() == [1, 0, 0]
    assert target[:, 0, 63].tolist() == [0, 1, 0]
    mask = np.zeros((24, 32), np.uint8)
    mask[12:] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    _, both = load_pictures(replace(job, settings=settings, mask=str(tmp_path / "mask.png")))
    assert both is not None
    assert not both[:24].any()
    assert (both[24:, :32] == 1).all()


def test_a_target_of_which_nothing_counts_is_named(job: Job) -> None:
    Image.new("RGBA", (8, 8), (255, 0, 0, 0)).save(job.target)
    with pytest.raises(UserError, match="is transparent all over"):
        load_pictures(job)


def test_nothing_is_placed_where_the_mask_is_black(job: Job, tmp_path: Path) -> None:
    mask = np.zeros((48, 64), np.uint8)
    mask[:, :32] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    run(replace(job, mask=str(tmp_path / "mask.png")), tmp_path / "out")
    layout, _ = load_result(tmp_path / "out")
    assert layout.x.max() < 36


def test_a_single_pixel_is_a_target(job: Job, tmp_path: Path) -> None:
    Image.new("RGB", (1, 1), (180, 90, 30)).save(job.target)
    for size in (1, 16):
        job.settings = replace(job.settings, size=size)
        run(job, tmp_path / f"out{size}")
        layout, _ = load_result(tmp_path / f"out{size}")
        assert (layout.width, layout.height) == (size, size)


def test_exports(job: Job, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(job, out)
    layout, templates = load_result(out)
    export(layout, templates, tmp_path / "x.png")
    assert (load_rgba(tmp_path / "x.png") == load_rgba(out / "render.png")).all()
    export(layout, templates, tmp_path / "x.JSON")
    data = json.loads((tmp_path / "x.JSON").read_text())
    assert (data["width"], data["height"], data["frames"]) == (64, 48, [1])
    assert data["templates"][0]["file"] == "000_leaf.png"
    assert len(data["primitives"]) == 40
    third = data["primitives"][3]
    assert np.float32(third["x"][0]) == layout.x[0, 3]
    assert third["level"] == layout.level[3].tolist()
    assert np.float32(third["color"][0]).tolist() == layout.color[0, 3].tolist()
    with pytest.raises(UserError, match=r"x.docx has no known ending.*\.psd, .*\.json"):
        export(layout, templates, tmp_path / "x.docx")


def test_a_result_that_does_not_fit_together_is_named(job: Job, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(job, out)
    layout = Layout.load(out)
    for level in (-1, 60):
        broken = replace(layout, level=np.full_like(layout.level, level))
        broken.save(out)
        with pytest.raises(UserError, match="mip level"):
            load_result(out)
    layout.save(out)
    (out / "templates" / "000_leaf.png").unlink()
    with pytest.raises(UserError, match="no picture"):
        load_result(out)


def test_two_runs_in_one_place_leave_one_of_them_whole(job: Job, tmp_path: Path) -> None:
    run(job, tmp_path / "out")
    layout, _ = load_result(tmp_path / "out")
    specs = [replace(job.templates[0], name=name) for name in ("one", "two")]
    first, second = (ResultFolder(tmp_path / "out", load_templates([spec])) for spec in specs)
    image = np.zeros((3, 48, 64), np.float32)
    for folder in (first, second, first):
        folder.save(layout)
        assert load_result(tmp_path / "out")[0].count == 40
    second.finish(image, {"run": 2})
    assert names(tmp_path / "out" / "templates") == {"000_two.png"}
    first.finish(image, {"run": 1})
    assert names(tmp_path / "out" / "templates") == {"000_one.png"}
    assert load_result(tmp_path / "out")[0].count == 40
    assert json.loads((tmp_path / "out" / "metrics.json").read_text()) == {"run": 1}
    assert not any(path.name.startswith(".") for path in tmp_path.rglob("*"))


def test_a_folder_that_vanishes_meanwhile(job: Job, tmp_path: Path) -> None:
    """It is written again, but not in place of what somebody else put there."""
    run(job, tmp_path / "out")
    layout, _ = load_result(tmp_path / "out")
    folder = ResultFolder(tmp_path / "next", load_templates(job.templates))
    folder.save(layout)
    shutil.rmtree(tmp_path / "next")
    folder.save(layout)
    assert load_result(tmp_path / "next")[0].count == 40
    shutil.rmtree(tmp_path / "next")
    (tmp_path / "next").mkdir()
    (tmp_path / "next" / "notes.txt").write_text("")
    with pytest.raises(UserError, match="holds other things"):
        folder.save(layout)
    assert names(tmp_path / "next") == {"notes.txt"}


def test_checkpoints_replace_one_another_in_place(job: Job, tmp_path: Path) -> None:
    run(job, tmp_path / "out")
    layout, _ = load_result(tmp_path / "out")
    templates = load_templates(job.templates)
    folder = ResultFolder(tmp_path / "next", templates)
    folder.save(layout)
    inode = (tmp_path / "next").stat().st_ino
    finer = replace(layout, level=np.maximum(layout.level - 1, 0), opacity=layout.opacity * 0.5)
    folder.save(finer)
    assert (tmp_path / "next").stat().st_ino == inode
    assert (load_result(tmp_path / "next")[0].opacity == finer.opacity).all()
    added = sum(1 for _ in used(finer) - used(layout))
    assert listed(tmp_path / "next") == used(finer) | used(layout)
    assert names(tmp_path / "next" / "levels") >= ({"001.png", "001.json"} if added else set())
    folder.save(finer)
    assert not (tmp_path / "next" / "levels" / "002.json").exists()
    folder.finish(np.zeros((3, 48, 64), np.float32), {})
    assert listed(tmp_path / "next") == used(finer)


def test_levels_of_an_earlier_version_are_found(tmp_path: Path) -> None:
    (place,) = level_places(tmp_path, [(3, 1, 2)]).values()
    assert place.file == tmp_path / "levels" / "003_1x2.png"
    assert place.cut is None


@pytest.mark.parametrize(
    "rows", [[[0, 1, 2]], [[0, 0, 0, -1, 0, 3, 3]], ["row"], [[0, 0, 0, 0.5, 0, 3, 3]], [[0, 0, 0, 0, 0, 0, 3]], 7]
)
def test_a_damaged_list_of_levels_is_told(tmp_path: Path, rows: object) -> None:
    (tmp_path / "levels").mkdir()
    (tmp_path / "levels" / "000.json").write_text(json.dumps({"schema": 1, "levels": rows}))
    with pytest.raises(UserError, match=r"000\.json"):
        level_places(tmp_path, [(0, 0, 0)])


def test_many_levels_need_few_sheets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large ones lie apart; nothing overlaps."""
    monkeypatch.setattr("backend.layouts.level_sheets._SIDE", 256)
    random = np.random.default_rng(0)
    items = [Template(str(i), random.integers(0, 256, (h, 200, 4), dtype=np.uint8)) for i, h in enumerate((250, 30, 2))]
    sheets, templates = LevelSheets(Templates(items)), Templates(items)
    counts = list(enumerate(templates.level_count.tolist()))
    keys = {(t, u, v) for t, (count_u, count_v) in counts for u in range(count_u) for v in range(count_v)}
    (tmp_path / "levels").mkdir()
    sheets.add(tmp_path / "levels", keys)
    assert 2 <= len(list(tmp_path.glob("levels/*.png"))) <= 40
    pictures = {path: load_rgba(path) for path in tmp_path.glob("levels/*.png")}
    for key, place in level_places(tmp_path, keys).items():
        assert (pictures[place.file][place.cut][1:-1, 1:-1, 3] == templates.bitmap(*key)[..., 3]).all()
        assert place.file.suffix == ".png"


class TestStamps:
    """A plain PNG is copied, any other picture is written again."""

    @pytest.mark.parametrize("how", ["plain", "described", "gray", "jpeg"])
    def test_they_stay_as_read(self, job: Job, tmp_path: Path, how: str) -> None:
        rgba = load_rgba(Path(job.templates[0].file))
        path = tmp_path / ("other.jpg" if how == "jpeg" else "other.png")
        info = PngInfo() if how == "described" else None
        if info is not None:
            info.add_text("Software", "other")
        picture = Image.fromarray(rgba).convert({"gray": "LA", "jpeg": "RGB"}.get(how, "RGBA"))
        picture.save(path, pnginfo=info)
        job.templates[0].file = str(path)
        run(job, tmp_path / "out")
        (stamp,) = (tmp_path / "out" / "templates").iterdir()
        assert (stamp.read_bytes() == path.read_bytes()) == (how == "plain")
        assert (load_rgba(stamp) == load_rgba(path)).all()
