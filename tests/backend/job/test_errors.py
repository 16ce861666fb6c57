"""Errors that the user can mend."""

from __future__ import annotations

import errno
import shutil
import sys
from pathlib import Path

import pytest

from backend.job import (
    Action,
    Done,
    Error,
    Log,
    UserError,
    cannot_write,
    decode_event,
    encode_event,
    lacking,
    plain,
    quoted,
    shortened,
    unexpected,
)


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


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb\r\n\tc\x1b[31m\x00", "a b c [31m "),
        ("line\u2028separator", "line separator"),
        ("a  path with spaces\u3000and 日本語 ä 🎨", "a  path with spaces\u3000and 日本語 ä 🎨"),
        ("half a letter \udcff \ud800", "half a letter \\udcff \\ud800"),
        ("/" + "n" * 259, "/" + "n" * 259),
        ("see /" + "n" * 259 + "m: choose", "see /" + "n" * 126 + " ... " + "n" * 125 + "m: choose"),
    ],
)
def test_a_message_is_one_line_that_any_stream_takes(text: str, shown: str) -> None:
    assert UserError(text).message == str(UserError(text)) == plain(text) == shown
    assert (Log(text).text, Error(text).message, Done("", remarks=[text]).remarks) == (shown, shown, [shown])
    assert decode_event(encode_event(Error(text))) == Error(shown)
    shown.encode()


def test_a_message_ends() -> None:
    assert len(plain("many words " * 10_000)) <= 1500


def test_a_value_is_cut_in_its_middle() -> None:
    assert quoted("red") == "'red'"
    assert quoted("n" * 5000) == f"'{'n' * 36} ... {'n' * 36}'"
    assert len(quoted(list(range(9999)))) <= 80
    assert quoted(10**5000) == "a int that is too large"
    assert shortened("n" * 80) == "n" * 80


def test_any_error_becomes_a_sentence() -> None:
    error = UserError("Choose another", Action.USE_CPU)
    assert unexpected(error) is error
    assert unexpected(MemoryError()).action == Action.HALVE_SIZE
    full = OSError(errno.ENOSPC, "No space left on device", "/tmp/.diffbmp-12345678")
    assert unexpected(full).message == (
        "DiffBMP met an error that it does not know (OSError: No space left on device): report it with its log"
    )
    assert unexpected(KeyError("k" * 999)).action == Action.SHOW_LOG
    assert len(unexpected(KeyError("k" * 999)).message) < 200


def test_a_missing_package_can_be_installed() -> None:
    told = unexpected(ModuleNotFoundError("No module named 'PIL'", name="PIL.Image"))
    assert told.action == Action.INSTALL
    assert told.message == (
        f"This needs Pillow: press Install in the add-on's preferences, or install it for {sys.executable}"
    )
    several = lacking("A movie", ["av", "PIL", "matplotlib"])
    assert several.message == "A movie needs PyAV, Pillow and Matplotlib: press Install in the add-on's preferences"
    assert unexpected(ModuleNotFoundError("No module named 'sqlite3'", name="sqlite3")).action == Action.SHOW_LOG
