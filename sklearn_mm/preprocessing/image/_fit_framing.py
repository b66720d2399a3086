"""Fitting the framing of a column of pictures before they are read: size, way of resizing, range of values."""

import warnings
from dataclasses import dataclass, replace

import numpy as np

from sklearn_mm.preprocessing.cells._items import Items
from sklearn_mm.preprocessing.cells._missing import missing_rows
from sklearn_mm.preprocessing.image._bit_depth import FEW_LEVELS, FLOAT, INTEGER, SHALLOW, count_levels, learn_range
from sklearn_mm.preprocessing.image._framing import Framing
from sklearn_mm.preprocessing.image._proportions import LEAST_KEPT, kept_by_crop, learn_size, log_proportions
from sklearn_mm.preprocessing.media._reader import MediaReader

__all__ = ["FittedFraming", "fit_framing"]

_AT_ONCE = 256  # pictures whose levels are counted


@dataclass(frozen=True)
class FittedFraming:
    """What was learnt of a column of pictures.

    Parameters
    ----------
    reader : MediaReader
        The one that reads the column, with nothing left that is "auto".
    items : Items
        The column.
    headers : numpy.ndarray of shape (n_items, 3)
        Width and height in pixels, and kind of the values, as of `read_header`; zeros where not known.
    requested : Framing
        What was asked for, where size and way of resizing may be "auto" and ranges None.
    """

    reader: MediaReader
    items: Items
    headers: np.ndarray
    requested: Framing

    @property
    def value_ranges(self):
        """The values that become black and white, by "integer" and "float", for those that the column has."""
        framing, kinds = self.reader.decoder.framing, self.headers[:, 2]
        ranges = {}
        if (kinds == INTEGER).any():
            ranges["integer"] = framing.integers or (0, 65535)
        if (kinds == FLOAT).any():
            ranges["float"] = framing.floats or (0.0, 1.0)
        return ranges

    @property
    def can_wait(self):
        """Whether pictures need not be decoded now: all seem readable, and of none are the levels to be counted."""
        filled = ~missing_rows(self.items.cells)
        return bool((self.headers[filled, 0] > 0).all() and (self.headers[filled, 2] == SHALLOW).all())

    def warn(self, pictures, present):
        """Warn where much of the pictures was lost to what the user asked for.

        Parameters
        ----------
        pictures : numpy.ndarray or StoredRows of shape (n_items, height, width, channels)
            What was read.
        present : numpy.ndarray of shape (n_items,), dtype bool
            Of which items something was read.
        """
        if self.requested.resize == "crop":
            self._warn_of_cut_pictures(present)
        framing = self.reader.decoder.framing
        if self.requested.integers is not None:
            self._warn_of_few_levels(pictures, present & (self.headers[:, 2] > 0), f"value_range={framing.integers}")
        elif framing.floats is None:
            self._warn_of_few_levels(pictures, present & (self.headers[:, 2] == FLOAT), "that of floats, (0, 1)")

    def _warn_of_cut_pictures(self, present):
        framing = self.reader.decoder.framing
        kept = kept_by_crop(log_proportions(self.headers[:, :2], framing.crop, framing.rotate), framing.size)
        cut = np.flatnonzero(present & (kept < LEAST_KEPT))  # whatever crop_fraction is, which was meant
        if len(cut):
            height, width = framing.size
            lost = 1 - np.median(kept[cut]) * framing.crop_fraction**2
            _warn(
                f'{self.reader.who}: resize="crop" to {height} x {width} pixels cuts off more than half of {len(cut)} '
                f"of {present.sum()} {self.items.noun} ({self.items.which_rows(cut)}), at the median "
                f'{lost:.0%} of their area. Pass resize="auto" or "pad", which keep them whole, or '
                f'size="auto", which takes on the proportions of the column.'
            )

    def _warn_of_few_levels(self, pictures, deep, which):
        deep = np.flatnonzero(deep)
        parts = (np.asarray(pictures[deep[start : start + _AT_ONCE]]) for start in range(0, len(deep), _AT_ONCE))
        n_levels = count_levels(parts, self.reader.decoder.framing.fill)
        if 0 < n_levels < FEW_LEVELS:
            _warn(
                f"{self.reader.who}: {len(deep)} deep {self.items.noun} ({self.items.which_rows(deep)}) use a small "
                f"part of the range of values, {which}: nearly all of their pixels lie within {n_levels} of 256 "
                f"levels. Pass as value_range the values that are to become black and white: "
                f'"auto", which learns those of integers, or (low, high).'
            )


def fit_framing(reader, items):
    """Look at the pictures of a column, and return the `FittedFraming`.

    Parameters
    ----------
    reader : MediaReader
        Who reads it, with a `PictureDecoder`; in its framing, size and way of resizing may be "auto", and ranges that
        are None are learnt.
    items : Items
        The column.

    Returns
    -------
    fitted : FittedFraming
        Under any order of the items, the same is learnt.
    """
    requested, headers = reader.decoder.framing, read_headers(reader, items)
    proportions = log_proportions(headers[:, :2], requested.crop, requested.rotate)
    size, resize = learn_size(proportions, requested.size, requested.resize)
    least_kept = LEAST_KEPT if requested.resize == "auto" else 0.0
    framing = replace(requested, size=size, resize=resize, least_kept=least_kept)
    if requested.integers is None:
        ranges = {}
        for name, kind in (("integers", INTEGER), ("floats", FLOAT)):
            deep = np.flatnonzero(headers[:, 2] == kind)
            if len(deep):
                ranges[name] = learn_range(_read_statistics(reader, items, deep), kind)
        framing = replace(framing, **ranges)
    reader = replace(reader, decoder=replace(reader.decoder, framing=framing))
    return FittedFraming(reader, items, headers, requested)


def read_headers(reader, items):
    """Return width, height and kind of the values of pictures, int32 (n_items, 3); zeros where not known."""
    headers = np.zeros((len(items.cells), 3), dtype=np.int32)
    sample, decoder = reader.sample(items), reader.decoder
    headers[sample], _ = reader.facts(
        items, sample, "header", decoder.settings_of_facts, headers.dtype, (3,), decoder.header
    )
    return headers


def _read_statistics(reader, items, deep):
    """Return the `value_statistics` of deep pictures, float64 (n_deep, 4); NaN where one cannot be read."""
    decoder = reader.decoder
    statistics, told = reader.facts(
        items, deep, "values", decoder.settings_of_facts, np.dtype(np.float64), (4,), decoder.statistics
    )
    statistics[~told] = np.nan
    return statistics


def _warn(message):
    warnings.warn(message, UserWarning, stacklevel=5)
