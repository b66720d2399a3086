"""Real data that ships with the package."""

from sklearn_mm.datasets._emoji import load_emoji
from sklearn_mm.datasets._home import clear_data_home, get_data_home

__all__ = ["clear_data_home", "get_data_home", "load_emoji"]
