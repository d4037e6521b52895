"""Rigorous arithmetic."""
