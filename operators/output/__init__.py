"""What is made of a result: exports, renders, animations."""
