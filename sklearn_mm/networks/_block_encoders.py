"""The lower half of every network: an encoder for each block, from a batch to `Features` by name."""

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn as nn

from sklearn_mm.blocks import BlockSpec
from sklearn_mm.encoders import Encoder, Features
from sklearn_mm.encoders._pooling import ItemPooling

__all__ = ["BlockEncoders"]


class BlockEncoders(nn.Module):
    """Encode the blocks of a batch, each by its encoder.

    A batch is a dict with ``blocks`` (the tensors of each block, by name) and ``present`` (batch, n_blocks), which says
    whether the row has something in the block. A block that a row lacks is not encoded, unless fewer than two rows have
    it or the network is being exported: a learnt vector stands in for it. The tensors of a block whose rows hold some
    items each are a dict of ``items`` (n_items, ...) of all rows, and ``counts`` (batch,), how many each row has: the
    encoder sees the items, and their vectors are pooled by row. What a frozen encoder made of a block before is under
    ``features`` instead of ``blocks``: a dict of ``pooled`` and, if they are wanted, ``tokens`` and ``mask``; or what
    the frozen part of an encoder made of it, by name.

    ``encoders[name]`` is the built encoder of a block.

    Parameters
    ----------
    specs : dict of str to BlockSpec
        Description of the blocks, by name.
    encoders : dict of str to Encoder
        The encoder of each block, not built. Blocks with the same instance share one set of weights.
    modality_dropout : float, default=0.0
        Probability that a block of a row is treated as absent in training. A row keeps at least one block.

    Attributes
    ----------
    names : list of str
        Names of the blocks.
    widths, token_widths : dict of str to int
        Widths of the blocks' pooled features and of their tokens, by name.
    """

    def __init__(self, specs: dict[str, BlockSpec], encoders: dict[str, Encoder], modality_dropout: float = 0.0):
        super().__init__()
        self.names = list(specs)
        self._padded = {name for name, spec in specs.items() if spec.padded}
        self.modality_dropout = modality_dropout
        first_names = {}  # of the blocks of each encoder
        for name in self.names:
            first_names.setdefault(id(encoders[name]), name)
        places = {key: place for place, key in enumerate(first_names)}
        self._places = {name: places[id(encoders[name])] for name in self.names}
        self.encoders = nn.ModuleList(encoders[name].build(specs[name]) for name in first_names.values())
        pools = {self._places[name]: specs[name].pool for name in self.names}
        self.poolings = nn.ModuleList(
            nn.Identity() if pools[place] is None else ItemPooling(pools[place]).build(encoder.out_features)
            for place, encoder in enumerate(self.encoders)
        )
        self.augment = nn.ModuleList([nn.Identity() for _ in self.names])
        self.widths = {name: self[name].out_features for name in self.names}
        self.token_widths = {name: (self.pooling(name) or self[name]).token_features for name in self.names}
        self.stand_ins = nn.ParameterList([nn.Parameter(torch.zeros(width)) for width in self.widths.values()])

    def __getitem__(self, name: str) -> Encoder:
        return self.encoders[self._places[name]]

    def pooling(self, name: str) -> nn.Module | None:
        """Return the built ``ItemPooling`` of a block whose rows hold several items, else None."""
        pooling = self.poolings[self._places[name]]
        return pooling if isinstance(pooling, ItemPooling) else None

    def set_augment(self, name: str, augment: nn.Module | None) -> None:
        """Let a module change the prepared tensors of a block in training; None leaves them as they are."""
        self.augment[self.names.index(name)] = nn.Identity() if augment is None else augment

    def trimmed_blocks(self) -> list[str]:
        """Return the names of the blocks of padded ids whose batches may be cut to their longest row."""
        return [name for name in self.names if name in self._padded and not self[name].fixed_length]

    def grouped_blocks(self) -> list[str]:
        """Return the names of the blocks whose batches had better be of rows of like length."""
        return [name for name in self.trimmed_blocks() if self[name].length_costs]

    def components(self) -> Iterator:
        """Yield each encoder with the names of its blocks."""
        for place, encoder in enumerate(self.encoders):
            yield encoder, [name for name in self.names if self._places[name] == place]

    def forward(self, batch: dict[str, Any]) -> tuple[dict[str, Features], torch.Tensor]:
        """Return what `encode` does."""
        return self.encode(batch)

    def frozen_widths(self) -> dict[str, int]:
        """Return the widths of what frozen encoders, and frozen parts of others, say of a row, by block."""
        widths = {}
        for name in self.names:
            if self[name].frozen:
                widths[name] = self.widths[name]
            elif self[name].frozen_features and self.pooling(name) is None:
                widths[name] = self[name].frozen_features
        return widths

    def with_frozen_parts(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Return a batch that has, among its ``features``, what frozen parts of encoders make of its blocks."""
        features = {
            name: self[name].frozen_part(self[name].prepare(batch["blocks"][name]))
            for name in self.names
            if name in batch["blocks"] and self[name].frozen_features and self[name].partly_frozen
            if self.pooling(name) is None
        }
        return {**batch, "features": {**batch.get("features", {}), **features}} if features else batch

    def encode(self, batch: dict, names: list[str] | None = None) -> tuple[dict[str, Features], torch.Tensor]:
        """Return the `Features` of blocks by name, and which of them count as present, (batch, n_blocks).

        Parameters
        ----------
        batch : dict
            As above. Blocks that are not wanted may be missing; ``present`` has a column for each that is there.
        names : list of str, default=None
            Which blocks, in their order; all by default.
        """
        names = self.names if names is None else names
        in_batch = {*batch["blocks"], *batch.get("features", ())}
        columns = [name for name in self.names if name in in_batch]
        filled = batch["present"]  # (batch, n_blocks)
        if columns != names:
            filled = filled[:, [columns.index(name) for name in names]]
        present = self._drop_blocks(filled)
        features = {}
        for column, name in enumerate(names):
            encoded = batch.get("features", {}).get(name)
            if encoded is None:
                block = self._encode_block(name, batch["blocks"][name], filled[:, column])
            elif self[name].partly_frozen:
                block = self._encode_rest(name, encoded, filled[:, column])
            else:
                block = self._encoded_before(name, encoded)
            is_present = present[:, column].unsqueeze(1)  # (batch, 1)
            features[name] = Features(
                pooled=torch.where(is_present, block.pooled, self._stand_in(name)),
                tokens=block.tokens,
                mask=block.mask & is_present,
            )
        return features, present

    def _stand_in(self, name):
        return self.stand_ins[self.names.index(name)]

    def _encoded_before(self, name, features):
        """Return the `Features` of a block that its frozen encoder has encoded before."""
        if self.pooling(name) is not None:
            return self.pooling(name)(features["items"]["pooled"], features["counts"])
        if "tokens" in features:
            return Features(features["pooled"], features["tokens"], features["mask"].bool())
        pooled = features["pooled"]  # nobody reads tokens
        return Features(pooled, pooled.unsqueeze(1), pooled.new_ones(len(pooled), 1, dtype=torch.bool))

    def _encode_block(self, name, block, present):
        x = self[name].prepare(block if self.pooling(name) is None else block["items"])
        if self.training:
            x = self.augment[self.names.index(name)](x)
        return self._pooled(name, self[name], x, block, present)

    def _encode_rest(self, name, encoded, present):
        """Return the `Features` of a block of which the frozen part of its encoder has made tensors before."""
        x = encoded if self.pooling(name) is None else encoded["items"]
        return self._pooled(name, self[name].rest, x, encoded, present)

    def _pooled(self, name, encode, x, block, present):
        pooling = self.pooling(name)
        if pooling is None:
            return self._encode_present(encode, x, present)
        return pooling(self._encode_items(encode, x, self._stand_in(name)), block["counts"])

    def _encode_present(self, encode, x, present):
        """Encode the rows that have the block, so that empty ones neither cost time nor enter batch statistics."""
        if torch.compiler.is_compiling() and not self.training:  # an exported graph has all rows
            return encode(x)
        rows = present.nonzero().squeeze(1)
        if len(rows) == len(present) or len(rows) < 2:  # batch statistics need two rows
            return encode(x)
        encoded = encode(_take(x, rows))
        return Features(*(part.new_zeros(len(present), *part.shape[1:]).index_copy(0, rows, part) for part in encoded))

    def _encode_items(self, encode, x, stand_in):
        """Return the vectors (n_items, out_features) of the items of a batch, of which there may be none."""
        n_items = len(next(iter(x.values())) if isinstance(x, dict) else x)
        if n_items == 0:
            return stand_in.new_zeros(0, len(stand_in))
        if n_items == 1 and self.training:  # batch statistics need two
            x = _take(x, [0, 0])
        return encode(x).pooled[:n_items]

    def _drop_blocks(self, present):
        if not self.training or self.modality_dropout == 0:
            return present
        kept = present & (torch.rand(present.shape, device=present.device) >= self.modality_dropout)
        return torch.where(kept.any(1, keepdim=True), kept, present)


def _take(x, rows):
    return {key: part[rows] for key, part in x.items()} if isinstance(x, dict) else x[rows]
