"""The logs of the backend's workers."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from ..blender.folders import user_folder

KEPT_LOGS = 10
"""Number of worker logs that are kept, of this session and earlier ones."""


def worker_log() -> Path:
    """Returns the log file of this session's worker; deletes old ones. Raises UserError as user_folder does."""
    folder = user_folder("logs")
    with suppress(OSError):
        logs = sorted(folder.glob("worker-*.log"), key=lambda path: path.stat().st_mtime)
        for path in logs[:-KEPT_LOGS]:
            path.unlink()
    return folder / f"worker-{os.getpid()}.log"


def latest_log() -> str:
    """Returns the text of the latest log; "" if there is none."""
    files = [path for path in user_folder("logs").glob("*.log") if path.is_file()]
    if not files:
        return ""
    return max(files, key=lambda path: path.stat().st_mtime).read_text(encoding="utf-8", errors="replace")
