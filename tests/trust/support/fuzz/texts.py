"""Damages JSON with a mind for its structure: values of other types, extreme numbers, keys, nesting, encodings."""

from __future__ import annotations

import json
import random
from typing import Any

DEEP = 100_000

VALUES = (
    *(
        "null",
        "true",
        "false",
        "[]",
        "{}",
        '""',
        "0",
        "-1",
        "1",
        "2",
        "0.5",
        "-0.0",
        "1e-400",
        "1e308",
        "-1e308",
        "1e999",
    ),
    *("NaN", "Infinity", "-Infinity", "2147483647", "2147483648", "-2147483649", "9223372036854775808", "1e15"),
    *("1" + "0" * 400, "-1" + "0" * 400, "7" * 5000, "0." + "0" * 400 + "1", '"1"', '"nan"', '"true"', '"x"'),
    *('"\\ud800"', '"\\u0000"', '"a\\u0000b"', '"' + "x" * 5000 + '"', '"a\\nb\\u001b[31m"', '"\\u202e"', '"CON"'),
    *('"../outside/secret.png"', '"OUTSIDE/secret.png"', '"OUTSIDE"', '"HERE"', '"."', '".."', '"/"', '"~"'),
    *('"link.png"', '"pipe.png"', '"loop"', '"/dev/zero"', '"/dev/null"', '"/dev/stdin"', '"//server/share/a.png"'),
    *('"C:\\\\a.png"', '"file:///etc/passwd"', '"' + "name" * 70 + '.png"', '{"a": 1}', "[1, 2, 3]", "[null]", "[[]]"),
    *("[" * DEEP + "]" * DEEP, '{"a":' * DEEP + "1" + "}" * DEEP, "[" + "0," * 50_000 + "0]"),
)
"""Values as JSON has them."""

_PLACE = "\N{BULLET}"


def damaged(base: dict[str, Any], rng: random.Random) -> tuple[bytes, str]:
    """Returns a JSON object with one to three things wrong, and what they are."""
    data = json.loads(json.dumps(base))
    values, said = [], []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        name, value = _mutate(data, rng)
        said.append(name)
        values += [] if value is None else [value]
    text = json.dumps(data)
    for value in values:
        text = text.replace(json.dumps(_PLACE), value, 1)
    raw = text.replace(json.dumps(_PLACE), "0").encode("utf-8", "surrogatepass")
    if rng.random() < 0.12:
        raw, name = _spoiled(raw, rng)
        said.append(name)
    return raw, ", ".join(said)


def _mutate(data: dict[str, Any], rng: random.Random) -> tuple[str, str | None]:
    """Changes something. Returns what, and the value whose place was marked."""
    where, key, path = _somewhere(data, rng)
    if isinstance(where, dict) and rng.random() < 0.12:
        del where[key]
        return f"without {path}", None
    if isinstance(where, dict) and rng.random() < 0.12:
        value = rng.choice(VALUES)
        where[rng.choice(("unknown", "x" * 5000, "", "\ud800", "__class__", "file", "schema", "a\nb"))] = _PLACE
        return f"unknown key beside {path}: {value[:40]}", value
    value = rng.choice(VALUES)
    where[key] = _PLACE
    return f"{path} = {value[:40]}", value


def _somewhere(data: Any, rng: random.Random) -> tuple[Any, Any, str]:
    """Returns a container, a key in it, and the path to there; deeper places are as likely as higher ones."""
    places: list[tuple[Any, Any, str]] = []

    def collect(item: Any, path: str) -> None:
        keys = list(item) if isinstance(item, dict) else range(len(item)) if isinstance(item, list) else ()
        for key in keys:
            places.append((item, key, f"{path}/{str(key)[:20]}"))
            collect(item[key], f"{path}/{str(key)[:20]}")

    collect(data, "")
    return rng.choice(places) if places else (data, "key", "/key")


def _spoiled(raw: bytes, rng: random.Random) -> tuple[bytes, str]:
    """Damages the text itself."""
    half = len(raw) // 2
    ways = {
        "empty": b"",
        "with a byte order mark": b"\xef\xbb\xbf" + raw,
        "in UTF-16": raw.decode("utf-8", "replace").encode("utf-16"),
        "cut off": raw[: rng.randint(0, len(raw))],
        "with bytes that are not UTF-8": raw[:half] + b"\xff\xfe\x80" + raw[half:],
        "with NUL": raw[:half] + b"\0" + raw[half:],
        "twice": raw + raw,
        "a list": b"[" + raw + b"]",
        "a number": b"1",
        "nested": b"[" * DEEP,
        "with a key twice": raw.replace(b"{", b'{"schema": 1, "schema": 1, "target": 1, "target": "", ', 1),
        "with other bytes": bytes(byte ^ (1 << rng.randint(0, 7)) if rng.random() < 0.01 else byte for byte in raw),
    }
    name = rng.choice(list(ways))
    return ways[name], name
