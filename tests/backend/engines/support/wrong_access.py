"""Reads outside of a table through the CPU engine, so that a test sees that the sanitizers watch."""

from __future__ import annotations

from ctypes import addressof, c_float, create_string_buffer

from backend.engines import native
from backend.native import library


def main() -> None:
    place = native.Native(library.load()[0]).place
    buffers = {name: create_string_buffer(4096) for name in ("primitives", "first_pair", "levels", "level", "mirror")}
    scene = native.Scene(width=1, height=1, tiles_x=1, tiles_y=1, count=1)
    scene.primitives, scene.first_pair = addressof(buffers["primitives"]), addressof(buffers["first_pair"])
    planes = scene.planes
    planes.levels, planes.level, planes.mirror = (addressof(buffers[k]) for k in ("levels", "level", "mirror"))
    short = (c_float * 1024)()  # small objects share memory, which hides their ends
    planes.params = addressof(short) + 4 * 1022  # of nine numbers, two are there
    place(scene)


if __name__ == "__main__":
    main()
