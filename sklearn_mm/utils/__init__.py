"""Tools for people who extend sklearn-mm."""
