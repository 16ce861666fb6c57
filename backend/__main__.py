"""python -m backend: see backend.cli."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import suppress

UNEXPECTED = 3
"""Exit status after an error that nobody foresaw."""


def main(arguments: list[str] | None = None) -> int:
    """Runs a command line. Returns the exit status.

    0 = done, 1 = a check failed, 2 = an error of the user's, UNEXPECTED = any other, whose traceback is in a file.
    """
    try:
        from .cli import run

        return run(arguments)
    except ImportError as error:
        # Without backend.job, which needs numpy.
        if isinstance(error, ModuleNotFoundError) and error.name == "numpy":
            return _complain(f"{sys.executable} has no numpy: install it there")
        if isinstance(error, ModuleNotFoundError) and "numpy" in sys.modules:
            return _complain_of(error)
        cause = str(error).strip().partition("\n")[0]
        sentence = f"{sys.executable} cannot load a package ({cause}): install torch, numpy and pillow there anew, or"
        return _complain(f"{sentence} report it with its log {_logged(error)}", UNEXPECTED)
    except Exception as error:  # noqa: BLE001  the last resort, so that nobody meets a traceback
        return _complain_of(error)


def _complain_of(error: Exception) -> int:
    from .job import Action, UserError, unexpected

    told = unexpected(error)
    if isinstance(error, UserError) or told.action != Action.SHOW_LOG:
        return _complain(told.message)
    return _complain(f"{told.message} {_logged(error)}", UNEXPECTED)


def _logged(error: Exception) -> str:
    """Writes the traceback to a file. Returns its path."""
    import tempfile
    import traceback

    with (
        suppress(OSError),
        tempfile.NamedTemporaryFile(
            "w", prefix="diffbmp-", suffix=".log", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as log,
    ):
        log.writelines(traceback.format_exception(error))
        return log.name
    return "(which could not be written)"


def _complain(sentence: str, status: int = 2) -> int:
    sys.stderr.write(f"{sentence}\n")
    return status


if __name__ == "__main__":
    # NumPy would start a thread of its linear algebra for each core, and nothing here needs it: a tenth of a second.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    gc.disable()  # cli.run enables it: to look for garbage takes a part of the time to start, and there is none
    sys.exit(main())
