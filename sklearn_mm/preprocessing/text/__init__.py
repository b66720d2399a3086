"""Columns of texts as token ids. Imports `cells` and `containers`."""
