"""Cells to token ids."""
