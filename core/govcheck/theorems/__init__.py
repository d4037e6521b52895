"""The protocol theorem plugins follow."""
