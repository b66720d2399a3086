"""What frozen encoders make of rows, computed once: per fit, per `Blocks`, or once for all with a store."""

import math
from dataclasses import replace
from functools import partial
from uuid import uuid4
from weakref import WeakKeyDictionary

import numpy as np
import torch

from sklearn_mm.blocks import Blocks, Ragged
from sklearn_mm.blocks._feature_cache import FeatureCache
from sklearn_mm.encoders import Features
from sklearn_mm.storage import SequenceRows
from sklearn_mm.storage._content_keys import hash_contents, hash_rows, page_keys
from sklearn_mm.storage._fetch import fetch
from sklearn_mm.training._dataset import BlockDataset, read_batches
from sklearn_mm.training._token_rows import TokenRows, cut_tokens, lengths_of, n_pages, page_type
from sklearn_mm.utils._budget import batches_by_length, rows_at_once, size_of
from sklearn_mm.utils._fingerprint import digest, fingerprint

__all__ = ["encode_frozen"]

_IN_MEMORY = 2**30  # bytes of a block's features up to which they are held in memory where there is no store
_HELD = 2**26  # bytes, about, of what is encoded before it is written
_AT_ONCE = 512  # rows, at most, to which that also applies
_SORTED = 2**13  # the same where they are sorted by length, of which the more there are the less is padding
_dtypes = {}  # of features of a row, by their mark
_unlike_others = WeakKeyDictionary()  # of encoders without fingerprint: what stands for it, and such dtypes


def encode_frozen(blocks, net, store=None, compute=True):
    """Return `Blocks` with the ``features`` of those blocks whose encoder is frozen, wholly or in its first part.

    Parameters
    ----------
    blocks : Blocks
        The rows. Features that they have already are taken if they are of the same encoders.
    net : MultimodalNet
        Initialised; its network encodes.
    store : BlockStore, default=None
        Where features are looked for, and kept. Without one they are kept in the cache of the blocks, unless they are
        too large: then the network encodes each batch.
    compute : bool, default=True
        Whether to encode where there is no store, even if no features of the same encoder are in the cache. Without,
        vectors of many rows are encoded all the same, because it is faster than batch by batch, but are not kept.

    Returns
    -------
    blocks : Blocks
        The same rows.
    """
    network, features = net.module_, {}
    network.eval()
    for name in blocks:
        encoder = network.encoders[name]
        can_be_found = compute or store is not None or name in blocks.features or len(blocks.cache)
        in_passing = encoder.frozen and not network.reads_tokens(name) and len(blocks) > net.batch_size
        if encoder.frozen_part is not None and (can_be_found or in_passing):
            block = _FrozenBlock(blocks, name, net, not can_be_found)
            mark, encoded = blocks.features.get(name, (None, None))
            if mark != block.mark:
                encoded = block.encode(store, compute or not can_be_found)
            if encoded is not None:
                features[name] = block.mark, encoded
    return blocks.with_features(features)


class _FrozenBlock:
    """One block with an encoder that has a frozen part: what this makes of a row, `Features` or other tensors.

    Parameters
    ----------
    blocks : Blocks
        All blocks.
    name : str
        Which one.
    net : MultimodalNet
        Whose network encodes it.
    in_passing : bool, default=False
        Whether features are neither looked for nor kept, which spares the fingerprint of the encoder.
    """

    def __init__(self, blocks, name, net, in_passing=False):
        self.array = blocks[name]
        self.items = self.array.items if isinstance(self.array, Ragged) else self.array
        self.spec = blocks.specs[name]
        self.name = name
        self.net = net
        self.encoder = net.module_.encoders[name]
        self.reads_tokens = self.encoder.frozen and net.module_.reads_tokens(name)
        gives_tokens = getattr(self.encoder.frozen_part, "gives_tokens", False) and self.items is self.array
        self.keeps_tokens = self.reads_tokens or gives_tokens
        spec = replace(
            self.spec, name="", columns=(), encoder="auto", augment=None, group=None, pool=None, reading=None
        )
        if self.encoder.own_length:
            spec = replace(spec, shape=())
        self._spec = digest(spec)
        self._fingerprint = None if in_passing or self._spec is None else fingerprint(self.encoder.frozen_part)
        self._cache = FeatureCache() if self._fingerprint is None else blocks.cache  # of others none is found again
        self._stand_in, self._dtypes = self._fingerprint, _dtypes
        if self._fingerprint is None:
            self._stand_in, self._dtypes = _unlike_others.setdefault(self.encoder, (uuid4().hex, {}))
        column = list(blocks).index(name)
        self._keys = None if blocks.content_keys is None else blocks.content_keys[:, column]
        if self._keys is not None and self.encoder.own_length and self.items is self.array:
            lengths = used_lengths(self.items)  # what is cut, as it is longer than all of `fit`, is another row
            self._keys = hash_contents(zip(self._keys.tolist(), lengths, strict=True))
        self._present = blocks.present[:, column]

    @property
    def settings(self):
        """All that features of rows of equal content may differ by, but for whether there are tokens."""
        return self._stand_in, self._spec, self.net.precision, torch.device(self.net.device).type

    @property
    def mark(self):
        """What tells these features from those of other encoders."""
        return repr((self.settings, self.reads_tokens))

    def encode(self, store, compute):
        """Return what the frozen part makes of each row, by name: ``pooled`` at least of a frozen encoder; or None."""
        store = None if self._fingerprint is None else store
        if store is None and not compute and self.settings not in self._cache:
            return None
        are_lists = isinstance(self.array, Ragged)
        filled = np.arange(len(self.items)) if are_lists else np.flatnonzero(self._present)
        dtype = self._dtype(filled)
        if dtype is None:
            return None
        if store is None:
            n_bytes = self._n_bytes(dtype)
            most = max(_IN_MEMORY, math.prod(self.items.shape) * self.items.dtype.itemsize)
            if n_bytes > most:
                return None
            self._cache.make_room(self.settings, n_bytes, most)
        keep = self._keeper(store, self._at_once(dtype))
        keys = hash_rows(self.items)[filled] if are_lists or self._keys is None else self._keys[filled]
        if self._is_ragged:
            return self._fetch_tokens(keep, keys, filled, dtype)
        features = self._fetch(keep, keys, filled, dtype).spread(filled, len(self.items))
        return Ragged(features, self.array.offsets) if are_lists else features

    @property
    def _is_ragged(self):
        return self.keeps_tokens and self.spec.padded

    def _keeper(self, store, at_once):
        """Return a function of a dtype, keys and what makes rows, which returns these by their keys, and keeps them."""
        if store is None:
            return partial(self._cache.fetch, self.settings, at_once=at_once)

        def keep(dtype, keys, make):
            def make_all(places):
                every = np.ones(len(places), dtype=bool)
                return make(places), every, every

            return fetch(store, "features", self.settings, dtype, (), keys, make_all, at_once=at_once)

        return keep

    def _dtype(self, filled):
        """Return the dtype of what is made of a row, padding included: the first tells; None if there is no row."""
        if self.encoder.frozen and not self.reads_tokens:
            return np.dtype([("pooled", "<f4", (self.encoder.out_features,))])

        def note(batch):
            tensors = self._tensors(batch)
            self._dtypes[self.mark] = np.dtype([(name, "<f4", tuple(t.shape[1:])) for name, t in tensors.items()])
            return torch.empty(1)

        if self.mark not in self._dtypes and len(filled):
            self.net.map(note, self._dataset(self.items[filled[:1]]))
        return self._dtypes.get(self.mark)

    def _at_once(self, dtype):
        """Return how many rows to encode before they are written."""
        most = _SORTED if self._is_trimmed else _AT_ONCE
        return int(np.clip(_HELD * len(self.items) // max(1, self._n_bytes(dtype)), 1, most))

    def _n_bytes(self, dtype):
        """Return about how many bytes the features of all rows take: tokens are as many as ids, or all."""
        share = used_lengths(self.items).mean() / self.items.shape[1] if self._is_ragged else 1.0
        first = dtype[0].itemsize  # of what each row has once
        return len(self.items) * (first + share * (dtype.itemsize - first))

    def _fetch(self, keep, keys, filled, dtype):
        """Return the features of the items that are there, as `StoredRows` of records."""

        def make(places):
            records = self._compute(filled[places], dtype)
            if self.reads_tokens:  # a search may also have fusions that do not
                pooled = _pooled_of(records)
                keep(pooled.dtype, keys[places], pooled.__getitem__)
            return records

        return keep(dtype, keys, make)

    def _fetch_tokens(self, keep, keys, filled, dtype):
        """Return the features of all rows, as `TokenRows`."""
        paged = page_type(dtype["tokens"].shape[-1])

        def encode(places):
            pooled, lengths = np.empty(len(places), dtype=[dtype.descr[0]]), np.empty(len(places), dtype=np.int32)
            order, pages = [], []
            for some, (vectors, tokens, mask) in self._encoded(filled[places]):
                pooled["pooled"][some], lengths[some] = vectors, lengths_of(mask)
                order.append(some)
                pages.append(cut_tokens(tokens, mask, lengths[some], paged))
            return pooled, lengths, Ragged.concatenate(pages)[np.argsort(np.concatenate(order))]

        def make(places):
            pooled, lengths, pages = encode(places)
            keep(pooled.dtype, keys[places], pooled.__getitem__)
            keep(paged, page_keys(keys[places], pages.counts), pages.items.__getitem__)
            return lengths

        counts = n_pages(np.asarray(keep(np.dtype("<i4"), keys, make)), paged)
        # All is kept by now, but for what a store had no room for, or lost.
        row = np.repeat(np.arange(len(keys)), counts)
        first = np.cumsum(counts) - counts

        def make_pages(places):
            rows, inverse = np.unique(row[places], return_inverse=True)
            pages = encode(rows)[2]
            return pages.items[pages.offsets[inverse] + places - first[row[places]]]

        pooled = keep(np.dtype([dtype.descr[0]]), keys, lambda places: encode(places)[0])
        pages = keep(paged, page_keys(keys, counts), make_pages)
        counts_of_all = np.zeros(len(self.items), dtype=np.int64)
        counts_of_all[filled] = counts
        return TokenRows(pooled.spread(filled, len(self.items)), Ragged.from_counts(pages, counts_of_all))

    def _compute(self, rows, dtype):
        """Return the features of some items, as records."""
        records = np.zeros(len(rows), dtype=dtype)
        for places, parts in self._encoded(rows):
            for name, part in zip(dtype.names, parts, strict=True):
                records[name][:, : part.shape[1]][places] = part  # beyond the longest of a batch there is nothing
        return records

    def _encoded(self, rows):
        """Yield places in ``rows`` that were computed together, and their features, as a tuple of arrays."""
        device = torch.device(self.net.device)
        if self._is_trimmed:
            groups = batches_by_length(self._tokens(used_lengths(self.items[rows])), device)
        else:
            most = rows_at_once(self._tokens(size_of(self.items)), device, are_tokens=self.spec.padded)
            groups = np.split(np.arange(len(rows)), range(most, len(rows), most))
        are_read = not isinstance(self.items, np.ndarray)
        dataset = self._dataset(self.items, trim=[self.name] if self._is_trimmed else ())
        batches = read_batches(dataset, [rows[group] for group in groups], device, ahead=are_read)
        mapped = self.net.map_each(lambda batch: tuple(self._tensors(batch).values()), batches)
        return zip(groups, mapped, strict=True)

    def _tokens(self, size):
        """Return about how many tokens a row of some numbers has; the numbers where these are none."""
        return -(-size // self.spec.numbers_per_token)

    @property
    def _is_trimmed(self):
        """Whether rows are padded ids that may be cut to their length."""
        return self.spec.padded and not self.encoder.fixed_length

    def _dataset(self, items, trim=()):
        return BlockDataset(Blocks({self.name: items}, {self.name: self.spec}), trim=trim)

    def _tensors(self, batch):
        """Return what the frozen part makes of a batch, by name."""
        x = self.encoder.prepare(batch["blocks"][self.name])
        if self.encoder.partly_frozen:
            return self.encoder.frozen_part(x)
        features = Features(*self.encoder(x))
        return features._asdict() if self.reads_tokens else {"pooled": features.pooled}


def _pooled_of(records):
    """Return records of ``pooled`` alone, without the memory of the rest."""
    pooled = np.empty(len(records), dtype=[records.dtype.descr[0]])
    pooled["pooled"] = records["pooled"]
    return pooled


def used_lengths(ids):
    """Return up to where there are ids in each row of padded ones (n_rows, length), at least 1."""
    if isinstance(ids, SequenceRows):
        return np.maximum(ids.lengths, 1)
    is_id = np.asarray(ids) != 0
    return np.where(is_id.any(1), is_id.shape[1] - is_id[:, ::-1].argmax(1), 1)
