"""Token ids to features: recurrent networks and bags of embeddings."""

from functools import partial
from numbers import Integral, Real
from typing import Self

import torch
import torch.nn as nn

from sklearn_mm.blocks import BlockSpec
from sklearn_mm.encoders._base import Features, TextEncoder
from sklearn_mm.encoders._registry import register_encoder
from sklearn_mm.utils._token_pooling import masked_max, masked_mean
from sklearn_mm.utils._validation import Interval, StrOptions

__all__ = ["BagEncoder", "RNNEncoder", "read_backwards"]

_CELLS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


class RNNEncoder(TextEncoder):
    """Read token ids from left to right, and one vector per row comes out.

    An embedding, then recurrent layers (Elman's, gated recurrent units or long short-term memory). Padding is masked,
    not packed, so that the encoder can be exported; what is appended after the last token of a row changes nothing.

    Parameters
    ----------
    embedding_dim : int, default=128
        Width of the vector that each token id is looked up as. Most weights of the encoder are here: the size of the
        vocabulary times this.
    hidden_size : int, default=64
        Width of the state of each recurrent layer and direction. Larger remembers more and costs quadratically.
    cell : {"lstm", "gru", "rnn"}, default="lstm"
        What updates the state. "gru" has three quarters of the weights of "lstm" and often does as well; "rnn" has a
        quarter and forgets early tokens of long rows.
    n_layers : int, default=1
        Number of recurrent layers on top of each other.
    bidirectional : bool, default=False
        Whether each layer also reads from right to left, with weights of its own. Doubles the width, weights and time.
    pool : {"last", "mean", "max", "flatten"}, default="last"
        How the steps of a row become one vector: the state after the last token (from right to left: after the first),
        the mean or the maximum over the tokens, or all steps side by side. "flatten" keeps the order but makes
        ``out_features`` grow with the length of a row, which is then fixed.
    dense_units : int or None, default=None
        Width of a fully connected layer with a rectifier that each step goes through. None leaves it out.
    dropout : float, default=0.0
        Share of values, in [0, 1), that are set to zero in training: in the input of each recurrent layer and in the
        result. Larger regularises more.

    Attributes
    ----------
    out_features : int
        Width of ``pooled``, set by `build`.
    token_features : int
        Width of ``tokens``, one per token id, set by `build`.
    fixed_length : bool
        True with ``pool="flatten"``: rows must then be as long as the spec says.

    Notes
    -----
    Padding (id 0) is expected after the tokens of a row, as `TextTransformer` writes it. torch's recurrent layers hold
    two bias vectors for each gate that are only ever used as their sum, Keras's LSTM one: counted by layers, this one
    has ``4 * hidden_size`` weights more than Keras's, and the same function.

    References
    ----------
    Hochreiter, Schmidhuber: Long Short-Term Memory. Neural Computation 9(8), 1997.

    Cho et al.: Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine Translation. EMNLP
    2014.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mm.encoders import RNNEncoder
    >>> from sklearn_mm.preprocessing import TextSpec
    >>> spec = TextSpec(shape=(6,), vocab_size=1000, tokenizer="word")
    >>> encoder = RNNEncoder(cell="gru", bidirectional=True).build(spec)
    >>> ids = torch.tensor([[5, 9, 3, 0, 0, 0], [7, 2, 2, 8, 4, 6]])
    >>> features = encoder(ids)
    >>> features.pooled.shape, features.tokens.shape
    (torch.Size([2, 128]), torch.Size([2, 6, 128]))
    """

    _parameter_constraints = {
        "embedding_dim": [Interval(Integral, 1, None, closed="left")],
        "hidden_size": [Interval(Integral, 1, None, closed="left")],
        "cell": [StrOptions(set(_CELLS))],
        "n_layers": [Interval(Integral, 1, None, closed="left")],
        "bidirectional": ["boolean"],
        "pool": [StrOptions({"last", "mean", "max", "flatten"})],
        "dense_units": [Interval(Integral, 1, None, closed="left"), None],
        "dropout": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(
        self,
        embedding_dim: int = 128,
        hidden_size: int = 64,
        cell: str = "lstm",
        n_layers: int = 1,
        bidirectional: bool = False,
        pool: str = "last",
        dense_units: int | None = None,
        dropout: float = 0.0,
    ):
        self.embedding_dim = embedding_dim
        self.hidden_size = hidden_size
        self.cell = cell
        self.n_layers = n_layers
        self.bidirectional = bidirectional
        self.pool = pool
        self.dense_units = dense_units
        self.dropout = dropout

    @property
    def fixed_length(self) -> bool:
        """Whether the layers after this one depend on the length of a row."""
        return self.pool == "flatten"

    def build(self, spec: BlockSpec) -> Self:
        n_directions = 2 if self.bidirectional else 1
        width = n_directions * self.hidden_size
        inputs = [self.embedding_dim] + [width] * (self.n_layers - 1)
        cell = _CELLS[self.cell]
        self.embedding = nn.Embedding(spec.vocab_size, self.embedding_dim, padding_idx=0)
        self.rightward = nn.ModuleList(cell(size, self.hidden_size, batch_first=True) for size in inputs)
        if self.bidirectional:
            self.leftward = nn.ModuleList(cell(size, self.hidden_size, batch_first=True) for size in inputs)
        self.drop = nn.Dropout(self.dropout)
        self.dense = nn.Identity()
        if self.dense_units is not None:
            self.dense = nn.Sequential(nn.Linear(width, self.dense_units), nn.ReLU())
            width = self.dense_units
        self.token_features = width
        self.out_features = spec.shape[0] * width if self.pool == "flatten" else width
        return self

    def forward(self, x: torch.Tensor) -> Features:
        mask = x != 0  # (batch, length)
        steps = self._read(self.embedding(x), mask)  # (batch, length, n_directions * hidden_size)
        tokens = self.drop(self.dense(steps)) * mask.unsqueeze(2)  # (batch, length, token_features)
        return Features(self._pool(steps, tokens, mask), tokens, mask)

    def _read(self, steps, mask):
        if steps.device.type == "cpu" and torch.is_autocast_enabled("cpu"):  # few processors have LSTMs of bfloat16
            with torch.autocast("cpu", enabled=False):
                return self._read(steps, mask)
        for layer, rightward in enumerate(self.rightward):
            steps = self.drop(steps)
            states, _ = rightward(steps)
            if self.bidirectional:
                back, _ = self.leftward[layer](read_backwards(steps, mask))
                states = torch.cat([states, read_backwards(back, mask)], 2)
            steps = states
        return steps

    def _pool(self, steps, tokens, mask):
        if self.pool == "flatten":
            return tokens.flatten(1)
        if self.pool == "mean":
            return masked_mean(tokens, mask)
        if self.pool == "max":
            return masked_max(tokens, mask)
        last = (mask.sum(1) - 1).clamp(min=0).view(-1, 1, 1).expand(-1, 1, self.hidden_size)
        state = steps[:, :, : self.hidden_size].gather(1, last).squeeze(1)
        state = torch.cat([state, steps[:, 0, self.hidden_size :]], 1)  # nothing to add with one direction
        return self.drop(self.dense(state)) * mask.any(1, keepdim=True)


def read_backwards(steps, mask):
    """Reverse the tokens of each row (batch, length, width) and leave its padding at the end."""
    place = torch.arange(mask.shape[1], device=mask.device)
    source = torch.where(mask, mask.sum(1, keepdim=True) - 1 - place, place)  # (batch, length)
    return steps.gather(1, source.unsqueeze(2).expand_as(steps))


class BagEncoder(TextEncoder):
    """Average the embeddings of a row's words and subwords: no order, little time, a strong baseline for short text.

    The text model of fastText (Joulin et al., 2017). Read with n-grams of characters (``tokenizer="ngram"``, what the
    inputs choose for it), it knows words that it has never seen by their parts.

    Parameters
    ----------
    embedding_dim : int, default=128
        Width of the vector that each token id is looked up as, and of the result.
    token_dropout : float, default=0.5
        Share of token ids, in [0, 1), that are ignored in training, drawn anew in each batch. Larger keeps the network
        from knowing rows by single rare tokens.
    dropout : float, default=0.0
        Share of the values of the result, in [0, 1), that are set to zero in training. Larger regularises more.

    Attributes
    ----------
    out_features : int
        Width of ``pooled``: ``embedding_dim``.
    token_features : int
        Width of ``tokens``, one per token id: ``embedding_dim``.

    Notes
    -----
    Nearly all weights are in the table of embeddings. Its gradient is dense, so a training step costs time in
    proportion to ``vocab_size * embedding_dim``, whatever the length of the rows.

    References
    ----------
    Joulin, Grave, Bojanowski, Mikolov: Bag of Tricks for Efficient Text Classification. EACL 2017.

    Iyyer, Manjunatha, Boyd-Graber, Daumé III: Deep Unordered Composition Rivals Syntactic Methods for Text
    Classification. ACL 2015 (for ``token_dropout``).

    Examples
    --------
    >>> import torch
    >>> from sklearn_mm.encoders import BagEncoder
    >>> from sklearn_mm.preprocessing import TextSpec
    >>> spec = TextSpec(shape=(6,), vocab_size=1000, tokenizer="ngram")
    >>> encoder = BagEncoder(embedding_dim=32).build(spec).eval()
    >>> encoder(torch.tensor([[5, 9, 3, 0, 0, 0], [7, 2, 2, 8, 4, 6]])).pooled.shape
    torch.Size([2, 32])
    """

    tokenizer = "ngram"
    length_costs = False  # nearly all time goes into the table of embeddings

    _parameter_constraints = {
        "embedding_dim": [Interval(Integral, 1, None, closed="left")],
        "token_dropout": [Interval(Real, 0, 1, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(self, embedding_dim: int = 128, token_dropout: float = 0.5, dropout: float = 0.0):
        self.embedding_dim = embedding_dim
        self.token_dropout = token_dropout
        self.dropout = dropout

    def build(self, spec: BlockSpec) -> Self:
        self.embedding = nn.Embedding(spec.vocab_size, self.embedding_dim, padding_idx=0)
        with torch.no_grad():
            self.embedding.weight.mul_(0.1)  # so that rare tokens, which are seldom moved, are no more than faint noise
        self.drop = nn.Dropout(self.dropout)
        self.out_features = self.token_features = self.embedding_dim
        return self

    def forward(self, x: torch.Tensor) -> Features:
        mask = x != 0  # (batch, length)
        tokens = self.embedding(x)  # (batch, length, embedding_dim)
        kept = mask
        if self.training and self.token_dropout > 0:
            kept = mask & (torch.rand(mask.shape, device=mask.device) >= self.token_dropout)
        return Features(self.drop(masked_mean(tokens, kept)), tokens, mask)


register_encoder("text", "bag", BagEncoder, default=True)
for cell in ("gru", "lstm", "rnn"):
    register_encoder("text", cell, partial(RNNEncoder, cell=cell))
