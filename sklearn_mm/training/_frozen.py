"""What frozen encoders make of rows, computed once: per fit, or once for all with a store."""

import math
from dataclasses import replace
from uuid import uuid4
from weakref import WeakKeyDictionary

import numpy as np
import torch

from sklearn_mm.blocks import Blocks, Ragged
from sklearn_mm.storage._content_keys import hash_rows
from sklearn_mm.storage._fetch import fetch
from sklearn_mm.training._dataset import BlockDataset
from sklearn_mm.utils._fingerprint import digest, fingerprint

__all__ = ["encode_frozen"]

_IN_MEMORY = 2**30  # bytes of a block's features up to which they are held in memory where there is no store
_AT_ONCE = 512  # rows that are encoded before they are written
_n_tokens = {}  # of a row, by the mark of its features
_unlike_others = WeakKeyDictionary()  # marks of encoders of which no fingerprint can be taken


def encode_frozen(blocks, net, store=None, compute=True):
    """Return `Blocks` with the ``features`` of those blocks whose encoder is frozen.

    Parameters
    ----------
    blocks : Blocks
        The rows. Features that they have already are taken if they are of the same encoders.
    net : MultimodalNet
        Initialised; its network encodes.
    store : BlockStore, default=None
        Where features are looked for, and kept. Without one they are held in memory, unless they are too large: then
        the network encodes each batch.
    compute : bool, default=True
        Whether to encode where there is no store; if not, only features that are there already are taken.

    Returns
    -------
    blocks : Blocks
        The same rows.
    """
    network, features = net.module_, {}
    network.eval()
    for name in network.names:
        can_be_found = store is not None or name in blocks.features
        if network.encoder(name).frozen and (compute or can_be_found):
            block = _FrozenBlock(blocks, name, net)
            known = blocks.features.get(name, (None, None))
            if known[0] != block.mark:
                known = block.mark, block.encode(store, compute)
            if known[1] is not None:
                features[name] = known
    return blocks.with_features(features)


class _FrozenBlock:
    """One block with a frozen encoder.

    Parameters
    ----------
    blocks : Blocks
        All blocks.
    name : str
        Which one.
    net : MultimodalNet
        Whose network encodes it.
    """

    def __init__(self, blocks, name, net):
        self.array = blocks[name]
        self.spec = blocks.specs[name]
        self.name = name
        self.net = net
        self.encoder = net.module_.encoder(name)
        self.reads_tokens = net.module_.reads_tokens(name)
        spec = replace(self.spec, name="", columns=(), encoder="auto", augment=None, group=None, pool=None)
        self._spec = digest(spec)
        self._fingerprint = None if self._spec is None else fingerprint(self.encoder)
        column = list(blocks).index(name)
        self._keys = None if blocks.content_keys is None else blocks.content_keys[:, column]
        self._present = blocks.present[:, column]

    @property
    def settings(self):
        """All that features of rows of equal content may differ by, but for whether there are tokens."""
        known = self._fingerprint
        if known is None:
            known = _unlike_others.setdefault(self.encoder, uuid4().hex)
        return known, self._spec, self.net.precision, torch.device(self.net.device).type

    @property
    def mark(self):
        """What tells these features from those of other encoders."""
        return repr((self.settings, self.reads_tokens))

    def encode(self, store, compute):
        """Return one record per row, of ``pooled`` and perhaps ``tokens`` and ``mask``; None if there are none."""
        are_lists = isinstance(self.array, Ragged)
        items = self.array.items if are_lists else self.array
        filled = np.arange(len(items)) if are_lists else np.flatnonzero(self._present)
        store = None if self._fingerprint is None else store
        if store is None and not compute:
            return None
        dtype = self._dtype(items, filled)
        if store is not None:
            keys = hash_rows(items) if are_lists or self._keys is None else self._keys[filled]
            features = self._fetch(store, keys, items, filled, dtype).spread(filled, len(items))
        elif len(items) * dtype.itemsize > max(_IN_MEMORY, math.prod(items.shape) * items.dtype.itemsize):
            return None
        else:
            features = np.zeros(len(items), dtype=dtype)
            features[filled] = self._compute(items, filled, dtype)
        return Ragged(features, self.array.offsets) if are_lists else features

    def _dtype(self, items, filled):
        fields = [("pooled", "<f4", (self.encoder.out_features,))]
        if self.reads_tokens:
            n_tokens, width = self._find_n_tokens(items[filled[:1]]), self.encoder.token_features
            fields += [("tokens", "<f4", (n_tokens, width)), ("mask", "<f4", (n_tokens,))]
        return np.dtype(fields)

    def _find_n_tokens(self, first):
        """Return the number of tokens of a row; the first one is encoded to find out, if there is one."""
        if self.mark not in _n_tokens and len(first):
            n_numbers = self._map(first).shape[1] - self.encoder.out_features
            _n_tokens[self.mark] = n_numbers // (self.encoder.token_features + 1)
        return _n_tokens.get(self.mark, 1)

    def _fetch(self, store, keys, items, filled, dtype):
        """Return the features of the items that are there, as `StoredRows`."""

        def make(places):
            features = self._compute(items, filled[places], dtype)
            there = np.ones(len(places), dtype=bool)
            if self.reads_tokens:  # a search may also have fusions that do not
                pooled = np.zeros(len(places), dtype=[dtype.descr[0]])
                pooled["pooled"] = features["pooled"]
                keep(pooled.dtype, keys[places], lambda some: (pooled[some], there[some], there[some]))
            return features, there, there

        def keep(dtype, keys, make):
            return fetch(store, "features", self.settings, dtype, (), keys, make, at_once=_AT_ONCE)

        return keep(dtype, keys, make)

    def _compute(self, items, some, dtype):
        """Return the features of some items, as records."""
        numbers = np.empty((len(some), dtype.itemsize // 4), dtype=np.float32)
        for start in range(0, len(some), _AT_ONCE):
            numbers[start : start + _AT_ONCE] = self._map(items[some[start : start + _AT_ONCE]])
        return numbers.view(dtype)[:, 0]

    def _map(self, items):
        return self.net.map(self._read, BlockDataset(Blocks({self.name: items}, {self.name: self.spec})))

    def _read(self, batch):
        """Return the features of a batch side by side, (batch, n_numbers)."""
        pooled, tokens, mask = self.encoder(self.encoder.prepare(batch["blocks"][self.name]))
        if not self.reads_tokens:
            return pooled.float()
        return torch.cat([pooled.float(), tokens.flatten(1).float(), mask.float()], 1)
