"""Tables of numbers, dates, vectors and categories. Imports `cells` and `containers`."""
