"""Cells to vectors by a function of a user's own (embeddings); stands on `cells`, `containers` and `media`."""
