"""Blender may be killed while it writes a job: the next one starts, and finds only whole ones to continue."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import bpy
import pytest
from diffbmp.backend.job import sweep
from diffbmp.backend.job.job import Job
from diffbmp.backend.job.locks import STAGE
from diffbmp.operators.blender import folders
from diffbmp.operators.fit import recover
from diffbmp.operators.fit.collect import write_job
from diffbmp.operators.session import logs

from tests.addon.support.scenes import make_scene

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="a child that is killed at once needs fork")

CHANGES = {"os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.chmod", "os.link", "shutil.rmtree"}
CHANGES |= {"tempfile.mkstemp", "tempfile.mkdtemp"}
EVERY = 3
"""Distance of the operations at which Blender is killed."""


def in_child(work: Callable[[], object], kill_at: int = 0) -> tuple[int, int]:
    """Calls work in a forked Blender, which kills itself at an operation on files, from 1; 0 = never.

    Returns its exit status, negative = the signal, and the number of operations.
    """
    read, write = os.pipe()
    child = os.fork()
    if not child:
        status = 1
        try:
            os.close(read)
            _watch(write, kill_at)
            work()
            status = 0
        finally:
            os._exit(status)
    os.close(write)
    with os.fdopen(read, "rb") as counts:
        operations = len(counts.read())
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), operations


def _watch(counts: int, kill_at: int) -> None:
    done = 0

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal done
        opened = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if event in CHANGES or opened:
            done += 1
            if done == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            os.write(counts, b".")

    sys.addaudithook(watch)


def test_a_kill_at_any_operation_leaves_blender_usable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def user_folder(name: str, create: bool = True) -> Path:
        (tmp_path / "user" / name).mkdir(parents=True, exist_ok=True)
        return tmp_path / "user" / name

    for module in (folders, recover, logs):
        monkeypatch.setattr(module, "user_folder", user_folder)
    make_scene()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    scene = bpy.context.scene

    def collect() -> None:
        recover._FOUND.clear()
        logs.worker_log()
        job = folders.new_job_folder("picture")
        recover.begin(scene, job)
        assert write_job(scene, job) == []
        Job.load(job)
        recover.end(job)

    status, operations = in_child(collect)
    assert (status, operations > 5) == (0, True)
    for number in range(1, operations + 1, EVERY):
        assert in_child(collect, number)[0] == -signal.SIGKILL
        assert in_child(collect)[0] == 0, number
        assert recover.offered(scene) is None  # what has no layout is not offered
        jobs = user_folder("jobs")
        assert not list(jobs.glob(f"{STAGE}*"))
        for job in jobs.iterdir():
            sweep(job)
            assert not list(job.rglob(f"{STAGE}*"))
    assert (tmp_path / "a.blend").exists()
