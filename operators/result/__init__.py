"""From a scene back to a layout, and what is done with a built scene."""
