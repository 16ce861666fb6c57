"""The recipe `default`: a start that follows the structure, Adam, relocation."""
