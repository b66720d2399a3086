"""Search among vectors alone: nearest neighbours, vectors in files, approximate indexes, hubness, recall."""
