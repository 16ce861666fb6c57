"""Installs and checks the backend's environment."""
