"""The backend's process and its jobs. Nothing here imports bpy."""
