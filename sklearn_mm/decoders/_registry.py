"""Short names of decoders."""

from sklearn_mm.decoders._base import Decoder
from sklearn_mm.decoders._transformer import TransformerDecoder
from sklearn_mm.utils._registry import Registry

__all__ = ["decoders", "resolve_decoder"]

decoders = Registry("decoder", Decoder)
decoders.register("transformer", TransformerDecoder)

resolve_decoder = decoders.resolve
