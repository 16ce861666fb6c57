"""python -m backend: see backend.cli."""

from __future__ import annotations

import sys


def main(arguments: list[str] | None = None) -> int:
    """Runs a command line. Returns the exit status: 0 = done, 1 = a check failed, 2 = an error of the user's."""
    try:
        from .cli import run
        from .job import UserError

        try:
            return run(arguments)
        except UserError as error:
            return _complain(error.message)
    except ModuleNotFoundError as error:
        if error.name not in ("numpy", "PIL", "torch"):
            raise
        return _complain(f"{sys.executable} has no {error.name}: install torch, numpy and pillow there")


def _complain(sentence: str) -> int:
    sys.stderr.write(f"{sentence}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
