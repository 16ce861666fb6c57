"""The artist's choices about likeness, and the backend's losses for them."""

from __future__ import annotations

MATCHES = {
    "color": ("Color", "Match the target's colors as closely as possible", "mse"),
    "crisp": ("Crisp", "Prefer crisp shapes to exact colors; small details may become flat color", "l1"),
    "brightness": ("Brightness", "Match light and dark only; colors remain roughly those of the start", "gray_mse"),
}
"""Label, explanation and loss of each way to measure likeness."""

PREFERENCES = {
    "structure": ("Structure", "Match texture and fine detail, such as eyes, at the cost of color", "ssim", 0.1),
    "outlines": ("Outlines", "Keep outlines in place and calm areas calm", "edge", 0.1),
    "follow": ("Follow Edges", "Turn the stamps along the target's outlines", "alignment", 0.1),
    "flow": ("Flow", "Turn neighboring stamps alike, as in fur, grass or brush strokes", "smoothness", 0.1),
    "apart": ("Side by Side", "Place stamps beside rather than over each other, as in a mosaic", "overlap", 0.01),
    "inside": ("Inside Canvas", "Keep the stamps whole, within the edges of the canvas", "boundary", 0.1),
}
"""Label, explanation, loss and the loss's full weight of each preference beside likeness."""
