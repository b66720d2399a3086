"""Search among vectors alone: exact nearest neighbours, vectors in files, approximate indexes, hubness."""
