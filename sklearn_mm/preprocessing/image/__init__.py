"""Cells to pictures."""
