"""The compiled library for Python: which variant is loaded, its structs, its threads. No word of what it computes."""
