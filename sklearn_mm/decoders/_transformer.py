"""Texts from the features of all blocks by a transformer decoder."""

import math
from numbers import Integral, Real
from typing import TYPE_CHECKING, Self

import torch
import torch.nn as nn
import torch.nn.functional as F

from sklearn_mm.decoders._base import Decoder
from sklearn_mm.utils._token_pooling import check_heads
from sklearn_mm.utils._validation import Interval
from sklearn_mm.utils._waves import waves

if TYPE_CHECKING:
    from sklearn_mm.encoders import Features

__all__ = ["TransformerDecoder"]


class TransformerDecoder(Decoder):
    """Write a text whose tokens read each other and the tokens of all blocks (cross-attention).

    The decoder of the transformer (Vaswani et al., 2017), with the normalisation before each part. The vectors that ids
    are looked up as also tell which id comes next (tied embeddings, Press and Wolf, 2017).

    Parameters
    ----------
    width : int, default=128
        Width of the tokens. A multiple of ``n_heads``.
    n_layers : int, default=2
        Number of layers. More can say more, and need more texts.
    n_heads : int, default=4
        Number of parts of the width that attend independently of each other.
    mlp_ratio : int, default=2
        Width of the hidden layer of each perceptron, as a multiple of ``width``.
    dropout : float, default=0.1
        Share of values, in [0, 1), that are set to zero in training: of the tokens, of what each layer adds, and of the
        vectors that scores are made of. Larger regularises more.

    Notes
    -----
    The tokens of a block are mapped to ``width`` and get a vector that says which block they are of. Those of blocks
    that a row lacks are not read; a learnt token that is always there is all that is left of a row without any.

    References
    ----------
    Vaswani, Shazeer, Parmar, Uszkoreit, Jones, Gomez, Kaiser, Polosukhin: Attention Is All You Need. NeurIPS 2017.

    Press, Wolf: Using the Output Embedding to Improve Language Models. EACL 2017.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mm.decoders import TransformerDecoder
    >>> from sklearn_mm.encoders import Features
    >>> decoder = TransformerDecoder(width=32).build({"photo": 8}, {"photo": 6}, n_ids=100)
    >>> features = {"photo": Features(torch.rand(2, 8), torch.rand(2, 49, 6), torch.ones(2, 49, dtype=torch.bool))}
    >>> memory = decoder.remember(features, torch.ones(2, 1, dtype=torch.bool))
    >>> vectors, state = decoder(torch.tensor([[1, 5], [1, 7]]), memory)
    >>> decoder.scores(vectors).shape
    torch.Size([2, 2, 100])
    """

    _parameter_constraints = {
        "width": [Interval(Integral, 1, None, closed="left")],
        "n_layers": [Interval(Integral, 1, None, closed="left")],
        "n_heads": [Interval(Integral, 1, None, closed="left")],
        "mlp_ratio": [Interval(Integral, 1, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(self, width: int = 128, n_layers: int = 2, n_heads: int = 4, mlp_ratio: int = 2, dropout: float = 0.1):
        self.width = width
        self.n_layers = n_layers
        self.n_heads = n_heads
        self.mlp_ratio = mlp_ratio
        self.dropout = dropout

    def build(self, widths: dict[str, int], token_widths: dict[str, int], n_ids: int) -> Self:
        check_heads(self)
        width = self.width
        self.names = list(token_widths)
        self.projections = nn.ModuleList(nn.Linear(token_widths[name], width) for name in self.names)
        self.block_embeddings = nn.Parameter(torch.randn(len(self.names), width) * 0.02)
        self.nothing = nn.Parameter(torch.zeros(1, 1, width))
        self.memory_norm = nn.LayerNorm(width)
        self.embedding = nn.Embedding(n_ids, width, padding_idx=0)
        nn.init.normal_(self.embedding.weight, std=width**-0.5)
        self.layers = nn.ModuleList(
            _Layer(width, self.n_heads, self.mlp_ratio, self.dropout) for _ in range(self.n_layers)
        )
        self.norm = nn.LayerNorm(width)
        self.drop = nn.Dropout(self.dropout)
        return self

    def share_embedding(self, embedding: nn.Embedding, n_ids: int) -> None:
        if embedding.embedding_dim != self.width:
            raise ValueError(
                f"TransformerDecoder(width={self.width}) cannot share the embedding of an encoder that is "
                f"{embedding.embedding_dim} wide. Give both the same width."
            )
        self.embedding = _SharedEmbedding(embedding, n_ids)

    def remember(self, features: "dict[str, Features]", present: torch.Tensor) -> dict[str, torch.Tensor]:
        parts, masks = [self.nothing.expand(len(present), -1, -1)], [present.new_ones(len(present), 1)]
        for name, project, mark in zip(self.names, self.projections, self.block_embeddings, strict=True):
            parts.append(project(features[name].tokens) + mark)
            masks.append(features[name].mask)
        seen = self.memory_norm(torch.cat(parts, 1))  # (batch, n_seen, width)
        memory = {"mask": torch.cat(masks, 1)}
        for number, layer in enumerate(self.layers):
            memory[f"keys {number}"], memory[f"values {number}"] = layer.keys_values_of(seen)
        return memory

    def forward(
        self, ids: torch.Tensor, memory: dict[str, torch.Tensor], state: dict[str, torch.Tensor] | None = None
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        state = {} if state is None else state
        start = state["keys 0"].shape[2] if state else 0
        tokens = math.sqrt(self.width) * self.embedding(ids)
        tokens = self.drop(tokens + waves(start + ids.shape[1], self.width, tokens)[start:])
        after = {}
        for number, layer in enumerate(self.layers):
            keys, values = f"keys {number}", f"values {number}"
            seen, past = (memory[keys], memory[values], memory["mask"]), (state.get(keys), state.get(values))
            tokens, (after[keys], after[values]) = layer(tokens, seen, past)
        return self.drop(self.norm(tokens)), after

    def scores(self, vectors: torch.Tensor) -> torch.Tensor:
        return F.linear(vectors, self.embedding.weight)


class _SharedEmbedding(nn.Module):
    """The embedding of an encoder, whose values are of size 1, with some more ids and scaled down as tied ones are."""

    def __init__(self, embedding, n_ids):
        super().__init__()
        self.shared = embedding
        self.more = nn.Parameter(torch.randn(n_ids - embedding.num_embeddings, embedding.embedding_dim))

    @property
    def weight(self):
        return torch.cat([self.shared.weight, self.more]) * self.shared.embedding_dim**-0.5

    def forward(self, ids):
        return F.embedding(ids, self.weight, padding_idx=0)


class _Layer(nn.Module):
    """Attention to the tokens so far, to those of the blocks, and a perceptron; each adds to the tokens."""

    def __init__(self, width, n_heads, mlp_ratio, dropout):
        super().__init__()
        self.n_heads = n_heads
        self.self_norm = nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.self_out = nn.Linear(width, width)
        self.cross_norm = nn.LayerNorm(width)
        self.queries = nn.Linear(width, width)
        self.keys_values = nn.Linear(width, 2 * width)
        self.cross_out = nn.Linear(width, width)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, mlp_ratio * width), nn.GELU(), nn.Dropout(dropout), nn.Linear(mlp_ratio * width, width)
        )
        self.drop = nn.Dropout(dropout)

    def forward(self, tokens, seen, past):
        """Return the tokens (batch, n_tokens, width), and keys and values of all tokens by now."""
        own, past = self._attend_to_tokens(self.self_norm(tokens), past)
        tokens = tokens + self.drop(own)
        tokens = tokens + self.drop(self._attend_to_blocks(self.cross_norm(tokens), *seen))
        return tokens + self.drop(self.mlp(self.mlp_norm(tokens))), past

    def keys_values_of(self, seen):
        """Return keys and values of the tokens of the blocks, each (batch, n_heads, n_seen, width / n_heads)."""
        return self._heads(self.keys_values(seen), 2)

    def _attend_to_tokens(self, tokens, past):
        queries, keys, values = self._heads(self.queries_keys_values(tokens), 3)
        if past[0] is not None:
            keys, values = torch.cat([past[0], keys], 2), torch.cat([past[1], values], 2)
        n_tokens, n_past = tokens.shape[1], keys.shape[2] - tokens.shape[1]
        mask = None
        if n_tokens > 1 and n_past:  # else each token reads all there is, or all up to itself
            mask = torch.ones(n_tokens, n_past + n_tokens, dtype=torch.bool, device=tokens.device).tril(n_past)
        mixed = F.scaled_dot_product_attention(queries, keys, values, mask, is_causal=n_tokens > 1 and not n_past)
        return self.self_out(mixed.transpose(1, 2).flatten(2)), (keys, values)

    def _attend_to_blocks(self, tokens, keys, values, mask):
        (queries,) = self._heads(self.queries(tokens), 1)
        mixed = F.scaled_dot_product_attention(queries, keys, values, mask[:, None, None, :])
        return self.cross_out(mixed.transpose(1, 2).flatten(2))

    def _heads(self, x, n_parts):
        return x.unflatten(2, (n_parts, self.n_heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
