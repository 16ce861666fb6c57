"""The backend's processes and their jobs. Nothing here imports bpy."""
