"""Token ids to features by self-attention."""

from numbers import Integral, Real
from typing import Self

import torch
import torch.nn as nn

from sklearn_mm.blocks import BlockSpec
from sklearn_mm.encoders._base import Features, TextEncoder
from sklearn_mm.encoders._registry import register_encoder
from sklearn_mm.encoders._self_attention_layers import AttentionLayers
from sklearn_mm.utils._token_pooling import check_heads
from sklearn_mm.utils._validation import Interval, StrOptions
from sklearn_mm.utils._waves import waves

__all__ = ["SelfAttentionEncoder"]


class SelfAttentionEncoder(TextEncoder):
    """Let the tokens of a text read each other, wherever they stand, and one vector per row comes out.

    The encoder of the transformer (Vaswani et al., 2017), small, with what lets it be trained from scratch at the same
    learning rate as other encoders: normalisation before each layer, and layers that add little at first (Touvron et
    al., 2021). From few texts it learns hardly more than which words matter.

    Parameters
    ----------
    width : int, default=128
        Width of the vector that each token id is looked up as, of the tokens and of the result. A multiple of
        ``n_heads``.
    n_layers : int, default=2
        Number of layers. One relates words to words; each further one relates what the one before has found, and needs
        more texts.
    n_heads : int, default=4
        Number of parts of the width that attend independently of each other.
    mlp_ratio : int, default=2
        Width of the hidden layer of each perceptron, as a multiple of ``width``.
    pool : {"mean", "max", "token"}, default="mean"
        How the tokens become one vector: their mean, their maximum, or as a learnt vector (the class token) that is
        put before them and reads them.
    dropout : float, default=0.1
        Share of values, in [0, 1), that are set to zero in training: of the tokens, of the attention, and of what each
        layer adds. Larger regularises more.

    Attributes
    ----------
    out_features : int
        Width of ``pooled``: ``width``.
    token_features : int
        Width of ``tokens``, one per token id: ``width``.

    Notes
    -----
    Time and memory grow with the square of the number of tokens in the longest text of a batch. Padding is masked:
    it changes nothing. Places are told apart by sines and cosines, so that texts of any length are taken.

    References
    ----------
    Vaswani, Shazeer, Parmar, Uszkoreit, Jones, Gomez, Kaiser, Polosukhin: Attention Is All You Need. NeurIPS 2017.

    Xiong et al.: On Layer Normalization in the Transformer Architecture. ICML 2020.

    Touvron, Cord, Sablayrolles, Synnaeve, Jégou: Going Deeper with Image Transformers. ICCV 2021.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mm.encoders import SelfAttentionEncoder
    >>> from sklearn_mm.preprocessing import TextSpec
    >>> spec = TextSpec(shape=(6,), vocab_size=1000, tokenizer="word")
    >>> encoder = SelfAttentionEncoder(width=64, n_layers=1).build(spec).eval()
    >>> features = encoder(torch.tensor([[5, 9, 3, 0, 0, 0], [7, 2, 2, 8, 4, 6]]))
    >>> features.pooled.shape, features.tokens.shape
    (torch.Size([2, 64]), torch.Size([2, 6, 64]))
    """

    _parameter_constraints = {
        "width": [Interval(Integral, 1, None, closed="left")],
        "n_layers": [Interval(Integral, 1, None, closed="left")],
        "n_heads": [Interval(Integral, 1, None, closed="left")],
        "mlp_ratio": [Interval(Integral, 1, None, closed="left")],
        "pool": [StrOptions({"mean", "max", "token"})],
        "dropout": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(
        self,
        width: int = 128,
        n_layers: int = 2,
        n_heads: int = 4,
        mlp_ratio: int = 2,
        pool: str = "mean",
        dropout: float = 0.1,
    ):
        self.width = width
        self.n_layers = n_layers
        self.n_heads = n_heads
        self.mlp_ratio = mlp_ratio
        self.pool = pool
        self.dropout = dropout

    def build(self, spec: BlockSpec) -> Self:
        check_heads(self)
        self.embedding = nn.Embedding(spec.vocab_size, self.width, padding_idx=0)
        self.layers = AttentionLayers(self.width, self.n_layers, self.n_heads, self.mlp_ratio, self.dropout, self.pool)
        self.out_features = self.token_features = self.width
        return self

    def forward(self, x: torch.Tensor) -> Features:
        mask = x != 0  # (batch, length)
        tokens = self.embedding(x)  # (batch, length, width)
        pooled, tokens = self.layers(tokens + waves(x.shape[1], self.width, tokens), mask)
        return Features(pooled, tokens, mask)


register_encoder("text", "transformer", SelfAttentionEncoder)
