"""Token ids to features by convolutions."""

from numbers import Integral, Real
from typing import Self

import torch
import torch.nn as nn
import torch.nn.functional as F

from sklearn_mm.blocks import BlockSpec
from sklearn_mm.encoders._base import Features, TextEncoder
from sklearn_mm.encoders._registry import register_encoder
from sklearn_mm.utils._validation import Interval, TupleOf

__all__ = ["TextCNNEncoder"]

_POSITIVE = Interval(Integral, 1, None, closed="left")


class TextCNNEncoder(TextEncoder):
    """Find which short sequences of tokens occur anywhere in a text.

    The network of Kim (2014): convolutions of several widths side by side, a rectifier, and of each filter the largest
    value over all places. Fast, and strong where single phrases tell the answer.

    Parameters
    ----------
    embedding_dim : int, default=128
        Width of the vector that each token id is looked up as.
    kernel_sizes : tuple of int, default=(1, 2, 3)
        Number of tokens that the filters of each convolution span. Longer ones see longer phrases, which are rarer and
        need more texts.
    n_filters : int, default=64
        Number of filters of each convolution.
    dropout : float, default=0.5
        Share of the values of the result, in [0, 1), that are set to zero in training. Larger regularises more.

    Attributes
    ----------
    out_features : int
        Width of ``pooled``: ``n_filters`` for each of the ``kernel_sizes``.
    token_features : int
        Width of ``tokens``, one per token id, the same: the filters' values where they are centred on the token.

    Notes
    -----
    A text is framed with zeros, so that every filter meets every token in each of its places, and texts that are
    shorter than a filter are read too. Filters that meet padding alone do not count, so that padding changes nothing.

    References
    ----------
    Kim: Convolutional Neural Networks for Sentence Classification. EMNLP 2014.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mm.encoders import TextCNNEncoder
    >>> from sklearn_mm.preprocessing import TextSpec
    >>> spec = TextSpec(shape=(6,), vocab_size=1000, tokenizer="word")
    >>> encoder = TextCNNEncoder(kernel_sizes=(3, 4, 5), n_filters=100).build(spec).eval()
    >>> features = encoder(torch.tensor([[5, 9, 3, 0, 0, 0], [7, 2, 2, 8, 4, 6]]))
    >>> features.pooled.shape, features.tokens.shape
    (torch.Size([2, 300]), torch.Size([2, 6, 300]))
    """

    _parameter_constraints = {
        "embedding_dim": [_POSITIVE],
        "kernel_sizes": [TupleOf(_POSITIVE, min_length=1)],
        "n_filters": [_POSITIVE],
        "dropout": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(
        self,
        embedding_dim: int = 128,
        kernel_sizes: tuple[int, ...] = (1, 2, 3),
        n_filters: int = 64,
        dropout: float = 0.5,
    ):
        self.embedding_dim = embedding_dim
        self.kernel_sizes = kernel_sizes
        self.n_filters = n_filters
        self.dropout = dropout

    def build(self, spec: BlockSpec) -> Self:
        self.embedding = nn.Embedding(spec.vocab_size, self.embedding_dim, padding_idx=0)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(self.embedding_dim, self.n_filters, size, padding=size - 1) for size in self.kernel_sizes
        )
        self.drop = nn.Dropout(self.dropout)
        self.out_features = self.token_features = len(self.kernel_sizes) * self.n_filters
        return self

    def forward(self, x: torch.Tensor) -> Features:
        mask = x != 0  # (batch, length)
        embedded = self.embedding(x).transpose(1, 2)  # (batch, embedding_dim, length)
        pooled, tokens = [], []
        for size, convolution in zip(self.kernel_sizes, self.convolutions, strict=True):
            meets = F.pad(mask, (size - 1, size - 1)).unfold(1, size, 1).any(2)  # (batch, length + size - 1)
            found = convolution(embedded).relu() * meets.unsqueeze(1)  # (batch, n_filters, length + size - 1)
            pooled.append(found.amax(2))  # never below zero, so that what is masked is never the largest
            tokens.append(found.narrow(2, size // 2, x.shape[1]))
        tokens = torch.cat(tokens, 1).transpose(1, 2) * mask.unsqueeze(2)  # (batch, length, token_features)
        return Features(self.drop(torch.cat(pooled, 1)), tokens, mask)


register_encoder("text", "textcnn", TextCNNEncoder)
