"""Sounds of a column as rows of different lengths, in memory or through a store."""

import numpy as np

from sklearn_mm.preprocessing.media._cell_keys import hash_cells
from sklearn_mm.preprocessing.media._reader import MediaReader
from sklearn_mm.storage._content_keys import page_keys
from sklearn_mm.storage._fetch import fetch
from sklearn_mm.storage._sequence_rows import PAGE, SequenceRows, cut_pages, pages_of

__all__ = ["SoundReader"]

_AT_ONCE = 256  # sounds that are decoded before they are written


class SoundReader(MediaReader):
    """A `MediaReader` whose decoder makes rows of any length: it returns `SequenceRows`."""

    def read(self, items):
        rows, present, failures = super().read(items)
        return rows if self.store is not None else SequenceRows.of(rows, self.decoder.dtype), present, failures

    def can_wait(self, items):
        """Return False: how much memory a row takes is known when it is read."""
        return False

    def _zeros(self, n_rows):
        """Return rows without anything in them."""
        rows = np.empty(n_rows, dtype=object)
        rows[:] = [np.empty(0, dtype=self.decoder.dtype)] * n_rows
        return rows

    def _decode(self, items, item, cell):
        return self.decoder.decode(cell)

    def _fetch(self, run, items, present, chosen):
        """Return the rows of some items, and (item, cause) of those that cannot be read.

        A store has the length of each, and its pages.
        """
        decoder = self.decoder
        keys = hash_cells(items.cells[chosen], decoder)
        cause_of = {}

        def decode(places):
            return self._decode_new(run, items, present, chosen[places], keys[places], cause_of)

        def make_lengths(places):
            rows, unchanged = decode(places)
            pages, counts = cut_pages(rows, decoder.dtype)
            may_be_kept = np.repeat(unchanged, counts)
            there = np.ones(len(pages), dtype=bool)
            keep(
                "sound",
                decoder.dtype,
                (PAGE,),
                page_keys(keys[places], counts),
                lambda some: (pages[some], there[some], may_be_kept[some]),
            )
            lengths = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
            return lengths, present[chosen[places]], unchanged

        def make_pages(places):
            wanted, inverse = np.unique(row[places], return_inverse=True)
            rows, unchanged = decode(wanted)
            pages = np.zeros((len(places), PAGE), dtype=decoder.dtype)
            for place, (of_row, number) in enumerate(zip(inverse, places - first[row[places]], strict=True)):
                part = rows[of_row][number * PAGE : (number + 1) * PAGE]
                pages[place, : len(part)] = part
            return pages, np.ones(len(places), dtype=bool), unchanged[inverse]

        def keep(kind, dtype, shape, keys, make, at_once=None):
            return fetch(self.store, kind, decoder.settings, dtype, shape, keys, make, at_once)

        lengths = np.asarray(keep("sound-lengths", np.int64, (), keys, make_lengths, _AT_ONCE))
        counts = pages_of(lengths)
        first, row = np.cumsum(counts) - counts, np.repeat(np.arange(len(counts)), counts)
        pages = keep("sound", decoder.dtype, (PAGE,), page_keys(keys, counts), make_pages)  # kept by now, mostly
        return SequenceRows(pages, first, lengths), self._failed(present, chosen, keys, cause_of)
