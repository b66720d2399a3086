"""Columns of texts as token ids. Imports `cells` and `containers`.

Each tokenizer here has ``vocabulary`` (token to id), ``n_ids`` (ids are smaller), ``encode(texts)``, which returns the
ids of all texts in one int32 array and the number of ids of each text, and ``decode(ids)``, which takes a list of ids
per text and returns strings.
"""
