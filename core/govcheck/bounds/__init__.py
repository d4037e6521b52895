"""Symbolic bounds and the rules that compose them."""
