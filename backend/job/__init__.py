"""The interface between Blender and the backend: jobs, layouts and events as files, lines and dataclasses.

It uses the standard library and numpy alone, because Blender's own Python imports it too.

Conventions of the whole project:

- Canvas: pixels, x to the right, y down, origin at the top-left corner; the center of the first pixel is (0.5, 0.5).
- Template: a bitmap stamp, straight (not premultiplied) RGBA, display-encoded sRGB. Its local square
  [-1, 1]^2 spans its longer side. Primitive: one placed copy. Layout: all primitives (x frames).
- scale: half of the template's longer side on the canvas, px. The two axes are scale * sqrt(aspect) and
  scale / sqrt(aspect). rotation: radians, positive turns clockwise on screen. mirror flips the template left to right.
- opacity and color in [0, 1], color display-encoded. The color of a sample is p + q * texture, by the template's mode:
  tint p = c, q = 0; mix p = (1 - b) c, q = b; multiply p = (1 - b) c, q = b c.
- Order: index 0 is the front, unless depth says otherwise.
- level: mip level per axis (u, v), two to an octave: the bitmap has round(size * 2^(-level / 2)) texels, at least 1.
"""

from .animation import EASINGS, GROWTHS, Animation
from .arrays import Array, write_arrays
from .clip import MAX_FRAME, Clip
from .errors import PACKAGES, Action, UserError, cannot_write, lacking, plain, quoted, shortened, unexpected
from .export import BITS, CLIP_FORMS, FORMATS, GROUPINGS, MAX_LAYERS, MAX_WIDTH, ExportJob, ExportSettings
from .files import (
    drop_temporary,
    folder_aside,
    hidden_folder,
    is_harmless,
    linked_copy,
    put_in_place,
    resolved,
    settled,
    sweep,
    written_aside,
)
from .job import IMPORTANCE, Job
from .layout import BOUNDS, FIXED, LEVEL_PADDING, MOVING, Layout, LevelKey, LevelPlace, level_file, level_places
from .locks import STAGE, sole_writer
from .messages import (
    COMMANDS,
    Command,
    Done,
    Error,
    Event,
    Exporting,
    Log,
    Progress,
    bounded_lines,
    decode_event,
    encode_event,
)
from .paths import inside
from .schema import (
    SCHEMA,
    check_choice,
    check_range,
    from_dict,
    given_path,
    parse_json,
    read_json,
    type_hints,
    write_json,
)
from .setting import Choices, Setting, check, check_value, option_of, setting, settings_of
from .settings import (
    ENGINES,
    LOCKABLE,
    MAX_COUNT,
    MAX_SIDE,
    MAX_SIZE,
    MODES,
    ORDERS,
    PRESETS,
    RECIPES,
    REGION_SETTINGS,
    SPACES,
    USAGES,
    Color,
    Limits,
    Range,
    RegionSpec,
    Settings,
    TemplateSpec,
)
