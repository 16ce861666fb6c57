"""State of this Blender session: tasks, notices, logs. It is neither undone nor saved."""
