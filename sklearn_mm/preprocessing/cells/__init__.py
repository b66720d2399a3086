"""Single cells: missing ones, lists and their items, paths. With `containers` the lowest folder; imports neither."""
