"""Errors that the user can mend."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from backend.job import Action, Error, UserError, cannot_write, decode_event, encode_event


def test_what_cannot_be_written_is_named_with_the_reason() -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    rest = "see that there is space and permission, or choose another place"
    assert cannot_write(Path("/out"), full).message == f"{Path('/out')} cannot be written to ({full.strerror}): {rest}"
    assert cannot_write("/out").message == f"/out cannot be written to: {rest}"
    assert cannot_write("/out", shutil.Error("two files failed")).message.startswith(
        "/out cannot be written to (two files failed): "
    )


def test_an_action_is_a_plain_word_on_the_wire() -> None:
    error = UserError("no", Action.HALVE_SIZE)
    line = encode_event(Error(error.message, error.action))
    assert '"action": "halve_size"' in line
    assert decode_event(line) == Error("no", "halve_size")
    assert decode_event(line.replace("halve_size", "of_the_future")) == Error("no", "of_the_future")
