"""The command `doctor`: which engines work here."""

from __future__ import annotations

import argparse

from .console import write


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="write JSON")
    parser.set_defaults(run=_doctor)


def _doctor(args: argparse.Namespace) -> int:
    from ..doctor import examine, explain, is_sound

    findings = examine()
    write(findings if args.json else explain(findings))
    return 0 if is_sound(findings) else 1
