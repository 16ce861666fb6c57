"""Files that Blender itself writes are known to be whole, or not, by their structure."""

from __future__ import annotations

import tempfile
from pathlib import Path

import bpy
import pytest
from diffbmp.backend.job import UserError
from diffbmp.operators.blender import written
from diffbmp.operators.blender.written import NotWritten, check_whole, is_whole, passing_folder
from diffbmp.operators.output.render_animation import check_output, render_animation

from tests.addon.support.stages import make_stage


@pytest.mark.parametrize("kind", ["MP4", "LOSSLESS", "PRORES", "PNG", "BLEND"])
def test_every_part_of_a_file_is_incomplete(tmp_path: Path, kind: str) -> None:
    scene = make_stage()
    scene.cycles.samples, scene.render.resolution_percentage = 1, 16
    scene.frame_start, scene.frame_end = 1, 2
    if kind == "BLEND":
        path = tmp_path / "a.blend"
        for compressed in (True, False):
            bpy.ops.wm.save_as_mainfile(filepath=str(path), compress=compressed)
            assert is_whole(path)
    else:
        path = render_animation(scene, str(tmp_path / "film"), kind)
    if kind == "PNG":
        path = path / "0002.png"
    assert is_whole(path)
    data = path.read_bytes()
    for length in (0, 1, 5, 50, len(data) // 2, len(data) - 200, len(data) - 1):
        path.write_bytes(data[:length])
        assert not is_whole(path), length
    with pytest.raises(NotWritten, match="is incomplete: free some space on its disk, remove it, and try again"):
        check_output(scene, path.parent, None) if kind == "PNG" else check_whole(path)
    path.unlink()
    with pytest.raises(NotWritten, match="was not written: see that there is space"):
        check_whole(path)


def test_a_sentence_never_names_a_passing_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="all else"), passing_folder():
        raise UserError("all else is passed on")
    with pytest.raises(NotWritten) as error, passing_folder() as folder:
        raise UserError(f"{folder / 'a.png'} is incomplete")
    assert error.value.message == (
        f"The temporary folder {tempfile.gettempdir()} cannot be written to: see that there is space and permission, "
        "or set TMPDIR to another"
    )
    assert not folder.exists()
    monkeypatch.setattr(written.tempfile, "tempdir", str(tmp_path / "missing"))
    with (
        pytest.raises(NotWritten, match=r"missing cannot be written to \(No such file or directory\)"),
        passing_folder(),
    ):
        pass
