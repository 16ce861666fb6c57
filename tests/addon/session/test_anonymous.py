"""Reports and logs without names, secrets and places."""

from __future__ import annotations

import random

import pytest
from diffbmp.operators.session.anonymous import names_of_user, without_names, without_secrets

PLACES = {
    "/opt/blender/addons/diffbmp": "<addon>",
    "/data/Secret Person/backend": "<backend>",
    r"D:\Add Ons\Secret\diffbmp": "<addon>",
    "/media/Secret/odd (name): of; a.blend": "<path>.blend",
}
NAMES = ["5", "secret", "Jürgen Secret", "Jürgen", "studio-pc", "mirror.clientx.example"]

CASES = [
    ("/media/jane.doe/ClientX/shot.blend", "<path>.blend"),
    (
        "The file /media/jane.doe/Client X/shot v2 final.blend cannot be read (Permission denied): choose another",
        "The file <path>.blend cannot be read (Permission denied): choose another",
    ),
    ("The folder /media/jane.doe/ClientX cannot be read (Not a directory)", "The folder <path> (Not a directory)"),
    ("/media/Doe, Jane/Client (X): old/shot.png is missing", "<path>.png is missing"),
    ("/media/Secret/odd (name): of; a.blend is missing", "<path>.blend is missing"),
    ('File "/opt/blender/addons/diffbmp/operators/fit/x.py", line 3, in f', None),
    ('File "<addon>/operators/fit/x.py", line 3, in f', 'File "<addon>/operators/fit/x.py", line 3, in f'),
    ("D:/Add Ons/Secret/diffbmp/backend/cli.py fails", "<addon>/backend/cli.py fails"),
    ("'d:\\\\add ons\\\\secret\\\\diffbmp\\\\backend\\\\cli.py'", "'<addon>\\\\backend\\\\cli.py'"),
    ("file:///data/Secret%20Person/backend/env", "<path>"),
    ("/data/Secret Person/backend/env/bin/python -I", "<backend>/env/bin/python -I"),
    ("/data/Secret Person/backend2/x.txt", "<path>.txt"),
    (
        'File "/srv/ClientX/venv/lib/python3.11/site-packages/torch/nn.py", line 9',
        'File "<python3.11>/site-packages/torch/nn.py", line 9',
    ),
    (
        r'File "C:\Users\Jane\Python\Python311\Lib\json\decoder.py", line 9, in f',
        r'File "<Python311\Lib>/json\decoder.py", line 9, in f',
    ),
    ('{"message": "The file /srv/X Y/a.json is damaged."}', '{"message": "The file <path>.json is damaged."}'),
    ("smb://server/Client X/shot v1", "<path>"),
    ("Connection to pip.other.example timed out. (5)", "Connection to <host> timed out. (5)"),
    ("Blender 5.0.1 in profile: file: none", "Blender 5.0.1 in profile: file: none"),
    (r"C:\Users\JANEDO~1\AppData\x.png is missing", "<path>.png is missing"),
    (r"'C:\\Users\\Jane Doe\\x.png' is missing", "'<path>.png' is missing"),
    ("c:/Jobs/Jane Doe/x.npz: it is damaged", "<path>.npz: it is damaged"),
    (r"\\server\ClientX\a b\c.psd cannot be opened: copy it", "<path>.psd cannot be opened: copy it"),
    (r"\\?\C:\Users\Jane\c.psd", "<path>.psd"),
    ("//server/ClientX/a.png", "<path>.png"),
    ("//textures/ClientX.png", "<path>.png"),
    ("~/ClientX/shot", "<path>"),
    ("~jane/ClientX/a.exr: broken", "<path>.exr: broken"),
    (r"%USERPROFILE%\ClientX\a.png", "<path>.png"),
    ("cd ${HOME}/ClientX", "cd <path>"),
    ("../ClientX/shot.blend", "<path>.blend"),
    (r"in .\ClientX\shot.exr", "in <path>.exr"),
    ("file:///media/Jane%20Doe/ClientX.png is there", "<path>.png is there"),
    ("name=%2Fhome%2Fjane%2FClientX.png", "name=<path>"),
    ("PATH=/usr/bin:/srv/ClientX/bin", "PATH=<path>"),
    ("The folder '/media/O'Neill/ClientX' is full", "The folder '<path>' is full"),
    ("Looking in indexes: https://jane:pw@mirror.clientx.example/simple", "Looking in indexes: <address>"),
    ("HTTPSConnectionPool(host='pip.other.example', port=443): Max", "HTTPSConnectionPool(host=<host>, port=443): Max"),
    ("Failed to resolve 'pip.other.example' ([Errno -2])", "Failed to resolve <host> ([Errno -2])"),
    ("mirror.clientx.example is slow", "<name> is slow"),
    ("mail jane@clientx.example or jane@host now", "mail <mail> or <mail> now"),
    ('The image "ClientX shot.png" cannot be read', 'The image "<file>.png" cannot be read'),
    ("ClientX_v1.blend and work/ClientX/a.jpg", "<file>.blend and <file>.jpg"),
    ("user=Secret on STUDIO-PC, J\\xfcrgen, secret_file", "user=<name> on <name>, <name>, <name>_file"),
    ("Ju\u0308rgen Secret", "<name>"),
    ("secretary and insecret stay", "secretary and insecret stay"),
    *(
        (text, text)
        for text in (
            "and/or 3/4, 1.2/3.4 MB at 5 MB/s, image/png, 12 it/s",
            "layout.json cannot be read: is it a layout?",
            "Segmentation fault at 0x7f (core dumped)",
            "Downloading torch-2.13.0-cp313-cp313-manylinux_2_28_x86_64.whl (2.5 GB)",
            "DiffBMP 0.1.0, Blender 5.0.1, Python 3.11.7",
            "  fit.background = (0.25, 0.5, 0.75)",
        )
    ),
]


@pytest.mark.parametrize(("text", "wanted"), CASES)
def test_a_text_loses_names_and_places(text: str, wanted: str | None) -> None:
    wanted = text.replace("/opt/blender/addons/diffbmp", "<addon>") if wanted is None else wanted
    found = without_names(text, PLACES, NAMES)
    assert found == wanted
    assert without_names(found, PLACES, NAMES) == found


WORDS = ["ClientX", "Jane Doe", "Über uns", "O'Neill", "a (b)", "x: y", "v1.2", "50%", "[old]", "Doe, Jane", "J;D"]
STARTS = ["/media/", "C:\\", "\\\\server\\", "//server/", "~/", "~jane/", "../", "/", "file:///", "D:/", "\\\\?\\C:\\"]
ENDS = [" is missing", ": it is broken", ' (No space): "x"', "", ", line 3"]


@pytest.mark.parametrize("seed", range(200))
def test_no_folder_at_random_stays(seed: int) -> None:
    rng = random.Random(seed)
    start = rng.choice(STARTS)
    separator = "\\" if "\\" in start else "/"
    folders = rng.choices(WORDS, k=rng.randint(1, 4))
    path = start + separator.join([*folders, rng.choice(["shot.blend", "shot", "a.png"])])
    text = rng.choice(["{}", "The file {}", "a=({})", "(see {})", "x, {}"]).format(path) + rng.choice(ENDS)
    found = without_names(text, {}, [])
    for word in folders:
        assert word not in found, (text, found)
    assert "shot" not in found


def test_secrets_leave_addresses() -> None:
    text = "pip --index-url https://jane:p@ss@mirror.example/simple torch, http://token@localhost:80/"
    assert without_secrets(text) == "pip --index-url https://mirror.example/simple torch, http://localhost:80/"
    assert without_secrets("a @ b://c/d@e") == "a @ b://c/d@e"


def test_the_users_names_are_known() -> None:
    names = names_of_user()
    assert names
    assert all(len(name) > 1 for name in names)
