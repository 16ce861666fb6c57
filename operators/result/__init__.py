"""From a scene back to a layout, and operators on built scenes."""
