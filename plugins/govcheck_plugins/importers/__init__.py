"""Torch modules and functions that built-in layers compute."""
