"""Decoders: features of all blocks in, texts out, token by token; and how the tokens are chosen."""

from sklearn_mm.decoders._base import Decoder
from sklearn_mm.decoders._pretrained import PretrainedDecoder
from sklearn_mm.decoders._searches import BeamSearch, GreedySearch, Sampling, Search
from sklearn_mm.decoders._transformer import TransformerDecoder

__all__ = ["BeamSearch", "Decoder", "GreedySearch", "PretrainedDecoder", "Sampling", "Search", "TransformerDecoder"]
