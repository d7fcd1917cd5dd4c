"""The size of the models that both sides run."""

WIDTH, LAYERS, INTERMEDIATE, HEADS = 512, 8, 1376, 8
LONGEST = 2048
"""Tokens that they take."""
