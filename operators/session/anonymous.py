"""Takes secrets and names out of texts that others may read. It knows nothing of Blender."""

from __future__ import annotations

import getpass
import os
import re
import socket
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

_SHARE = r"(?:file|smb|cifs|afp|nfs|davs?|s?ftp)"
"""Addresses of folders, which may have spaces."""

_START = (
    rf"(?:\b{_SHARE}:(?:/+|(?=<))"
    r"|(?<![\w>])[\\/]{2,}(?=[^\s\\/])|(?<![a-z])[a-z]:(?=[\\/])|(?<![\w~])~[\w.+-]*(?=[\\/])|\.{1,2}(?=[\\/])"
    r"|\$\{?\w+\}?(?=[\\/])|%\w+%(?=[\\/])|(?<![\w>.~/\\-])/(?=[^\s/]))"
)
"""How a path begins: a file's address, a network's folder, a drive, a home, here or above, a variable, the root."""

_QUOTED = re.compile(rf"(?P<mark>[\"'`])(?P<path>{_START}.*?)(?P=mark)(?!\w)", re.IGNORECASE)
_ENCODED = re.compile(r"[^\s\"'=]*%(?:2f|5c|3a)[^\s\"']*", re.IGNORECASE)
_CODE = re.compile(r"[\\/](site-packages|python3\.\d+|[Pp]ython[\w.-]*[\\/]+[Ll]ib)[\\/]+([\w.\\/+-]+\.py)\b.*")

_SUFFIXES = (
    "blend\\d*|png|jpe?g|tiff?|exr|webp|psd|psb|svg|[to]tf|mp4|mov|avi|mkv|gif|ora|bmp|tga|hdr|json|npz|whl|toml"
)
_SUFFIX = re.compile(rf"\.(?:{_SUFFIXES}|py|so|dll|pyd|exe|log|txt)\b", re.IGNORECASE)
_FILE = re.compile(
    rf"(?P<mark>[\"'`])[^\"'`<>\n]*?\.(?P<one>{_SUFFIXES})(?P=mark)|(?<![\w<>./\\-])[^\s\"'`<>|(]+\.(?P<two>{_SUFFIXES})\b",
    re.IGNORECASE,
)
# Folders may have any letters in their names, so that the last separator of a line ends them. The file's name goes on
# to its kind, or else to what a sentence has after it.
_IN_NAME = r"(?:(?!: |; | \(|, line )[^\"<>|\t])"
_BARE = re.compile(rf"{_START}(?:.*[\\/])?(?:{_IN_NAME}*?{_SUFFIX.pattern}(?!\.?[\w-])|{_IN_NAME}*)", re.IGNORECASE)
_OWN = re.compile(r"(?:layout|job|layout_\d+|diffbmp)\.(?:json|npz)|pyproject\.toml|[\w.+-]+\.whl", re.IGNORECASE)
"""Names of files that are nobody's."""


def without_secrets(text: str) -> str:
    """Returns a text without the names and passwords in its addresses."""
    return re.sub(r"(?<=://)[^/\s\"']+@", "", text)


def without_names(text: str, places: Mapping[str, str], names: Iterable[str]) -> str:
    """Returns a text without paths, addresses and names of people, computers and artists' files.

    places: symbols for known folders, below which paths stay, and for known files. names: what else to take out.
    """
    text = unicodedata.normalize("NFC", text)
    folded = text.casefold()
    for place in sorted(places, key=len, reverse=True):
        for spelling, last in _spellings(place):
            if last.casefold() not in folded:  # a file may have thousands of images
                continue
            symbol = places[place].replace("\\", "/")
            text = re.sub(rf"{spelling}(?![\w.-])", symbol, text, flags=re.IGNORECASE)
    lines = [_without_places(line) for line in text.split("\n")]
    text = "\n".join(lines)
    # A name without a letter may be a part of a version.
    for name in sorted((name for name in names if re.search(r"[^\W\d_]", name)), key=len, reverse=True):
        forms = {name, quote(name), name.encode("unicode_escape").decode("ascii")}
        one = "|".join(re.escape(unicodedata.normalize("NFC", form)) for form in sorted(forms))
        text = re.sub(rf"(?<![^\W_])(?:{one})(?![^\W_])", "<name>", text, flags=re.IGNORECASE)
    return text


def _spellings(place: str) -> Iterator[tuple[str, str]]:
    """Yields patterns of a path with any separators, as it is and as in addresses, each with its last name."""
    parts = re.split(r"[\\/]+", unicodedata.normalize("NFC", place))
    for spell in (str, quote):
        yield r"[\\/]+".join(re.escape(spell(part)) for part in parts), spell(parts[-1])


def _without_places(line: str) -> str:
    """Returns a line without addresses and paths."""
    line = re.sub(rf"\b(?!{_SHARE}:)[a-z][a-z0-9+.-]*://[^\s\"'<>]+", "<address>", line, flags=re.IGNORECASE)
    line = re.sub(r"(?P<what>\bhost ?[=:] ?|\bresolve )(?P<mark>[\"'])[^\"']*(?P=mark)", r"\g<what><host>", line)
    line = re.sub(r"(?<=\bConnection to )[\w.-]+(?= timed out)", "<host>", line)
    line = _ENCODED.sub("<path>", line)
    line = _QUOTED.sub(lambda found: f"{found['mark']}{path_symbol(found['path'])}{found['mark']}", line)
    line = _BARE.sub(lambda found: path_symbol(found[0]), line)
    line = re.sub(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)*", "<mail>", line)
    return _FILE.sub(_file_symbol, line)


def path_symbol(path: str) -> str:
    """Returns what stands for a path: of a module of Python's its place stays, of any other file its kind."""
    if code := _CODE.search(path):
        return f"<{code[1]}>/{code[2]}"
    kinds = _SUFFIX.findall(path)
    return f"<path>{kinds[-1]}" if kinds else "<path>"


def _file_symbol(found: re.Match[str]) -> str:
    mark, kind = found["mark"] or "", found["one"] or found["two"]
    own = _OWN.fullmatch(found[0].strip(mark) if mark else found[0])
    return found[0] if own else f"{mark}<file>.{kind}{mark}"


def names_of_user() -> list[str]:
    """Returns the names of the user and of this computer, as far as the system tells."""
    names = [Path(os.path.expanduser("~")).name, socket.gethostname(), socket.gethostname().partition(".")[0]]
    with suppress(OSError, KeyError, ImportError):
        names.append(getpass.getuser())
    full = _full_name()
    return [name for name in (*names, full, *re.split(r"[\s,]+", full)) if len(name) > 1]


def _full_name() -> str:
    if sys.platform == "win32":
        import ctypes

        text, size = ctypes.create_unicode_buffer(256), ctypes.c_ulong(256)
        display = 3
        return text.value if ctypes.windll.secur32.GetUserNameExW(display, text, ctypes.byref(size)) else ""
    import pwd

    with suppress(KeyError):
        return pwd.getpwuid(os.getuid()).pw_gecos.partition(",")[0]
    return ""
