"""What networks are trained by, and how their outputs are read."""
