"""Single cells: missing, lists, odd ones, paths, and keys of what they hold."""
