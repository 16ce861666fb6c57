"""From a layout to a scene. Nothing here reads what an artist changed."""
