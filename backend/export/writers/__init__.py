"""Bytes of file formats that no library streams."""
