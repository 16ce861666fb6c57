"""One module per kind of format, loaded on demand."""
