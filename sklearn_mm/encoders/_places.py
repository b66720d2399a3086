"""Maps to tokens."""

__all__ = ["places"]


def places(maps):
    """Return the places of maps (batch, channels, height, width), row by row: (batch, height * width, channels)."""
    return maps.flatten(2).transpose(1, 2)
