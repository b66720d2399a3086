"""Sound: cells to waves or log-mels. Imports `media`, `cells` and `containers`."""
