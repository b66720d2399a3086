"""Columns of pictures, the first case of `media`. Imports `cells`, `containers` and `media`."""
