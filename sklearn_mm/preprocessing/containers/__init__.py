"""Tables and columns as users hold them, as what the rest can index. Imports no other folder of `preprocessing`."""
