"""Limiting Gram matrices."""
