"""Columns of clips, a medium of framed pictures. Imports `cells`, `containers`, `media` and `image`."""
