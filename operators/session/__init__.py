"""What goes on in this Blender session: tasks, notices, logs. It is neither undone nor saved."""
