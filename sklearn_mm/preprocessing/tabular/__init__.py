"""Columns to numbers and codes."""
