"""What an artist says of likeness, and the losses by which the backend is told."""

from __future__ import annotations

MATCHES = {
    "color": ("Color", "Come as close to the target's colors as can be", "mse"),
    "crisp": ("Crisp", "Prefer crisp forms to exact colors; small details may give way to flat color", "l1"),
    "brightness": (
        "Brightness",
        "Match light and dark only; colors remain roughly as they are found at the start",
        "gray_mse",
    ),
}
"""Label, explanation and loss of each way to measure likeness."""

PREFERENCES = {
    "structure": (
        "Structure",
        "Render texture and fine detail, such as eyes and lettering, at the cost of color",
        "ssim",
        0.1,
    ),
    "outlines": ("Outlines", "Keep outlines in place and calm areas calm", "edge", 0.1),
    "follow": ("Follow Edges", "Lay the stamps along the target's outlines", "alignment", 0.1),
    "flow": ("Flow", "Turn neighboring stamps alike, as in fur, grass or brush strokes", "smoothness", 0.1),
    "apart": (
        "Side by Side",
        "Lay the stamps beside each other rather than over each other, as in a mosaic",
        "overlap",
        0.01,
    ),
    "inside": ("Inside Canvas", "Keep the stamps whole, within the edges of the canvas", "boundary", 0.1),
}
"""Label, explanation and loss of what can be preferred beside likeness, and the loss's weight where that is strong."""
