"""The half of a pretrained encoder-decoder that writes: taken out, and called with a cache of keys and values."""

import inspect

import torch.nn as nn

from sklearn_mm.encoders._shared_layers import SharedLayersMixin
from sklearn_mm.encoders.pretrained._layer_stack import sharing_copy
from sklearn_mm.encoders.pretrained._loading import encoder_of, load_encoder_decoder
from sklearn_mm.encoders.pretrained._lora import with_adapters
from sklearn_mm.encoders.pretrained._references import ReferencedLayers, Source
from sklearn_mm.encoders.pretrained._text_reading import n_positions
from sklearn_mm.utils._fingerprint import copy_module
from sklearn_mm.utils._shared_module import adopt

__all__ = ["DecoderHalf", "DecoderSource", "decoder_half", "longest_text"]

_BY_THEMSELVES = ("text_decoder", "decoder")  # parts that have a head of their own
_WITHOUT_MASK = ("whisper",)  # whose decoders read all there is, and so a silence, too


class DecoderHalf(SharedLayersMixin, nn.Module):
    """What writes, with its head: logits of the tokens that follow, of token ids and what an encoder says.

    Parameters
    ----------
    layers : torch.nn.Module
        A model of transformers without its encoder, or its decoder with a head.
    is_whole : bool
        Which of the two.
    takes_mask : bool
        Whether it can leave out some of what the encoder says.
    width : int
        Of what the encoder says.
    n_ids : int
        How many ids there are logits of.
    between : torch.nn.Module, default=None
        What stands between encoder and decoder.
    """

    source = None  # of the weights, where pickles refer to them

    def __init__(self, layers, is_whole, takes_mask, width, n_ids, between=None):
        super().__init__()
        self.layers = layers
        self.is_whole = is_whole
        self.takes_mask = takes_mask
        self.width = width
        self.n_ids = n_ids
        self.between = nn.Identity() if between is None else between

    def __getstate__(self):
        state = super().__getstate__()
        if self.source is None:
            return state
        modules = {name: module for name, module in self._modules.items() if name != "layers"}
        return {**state, "_modules": modules, "layers": ReferencedLayers(self.layers, self.source)}

    def trained(self, how, rank):
        """Return a half of which nothing ("none"), adapters ("lora") or all ("all") is trained; this one stays.

        Parameters
        ----------
        how : {"none", "lora", "all"}
            As said.
        rank : int
            Rank of adapters.
        """
        if how == "none":
            return self.requires_grad_(False)
        layers = with_adapters(self.layers, rank, "PretrainedDecoder") if how == "lora" else copy_module(self.layers)
        between = copy_module(self.between).requires_grad_(how == "all")
        if how == "all":
            layers.requires_grad_(True)
        return DecoderHalf(layers, self.is_whole, self.takes_mask, self.width, self.n_ids, between)

    def keys_values_of(self, ids, tokens, mask):
        """Return keys and values of what the encoder says, of each layer, by reading the first ids (batch, 1)."""
        cache = _cache([], [])
        self._run(ids, tokens, mask, cache)
        return _contents(cache.cross_attention_cache)

    def forward(self, ids, tokens, mask, of_blocks, past):
        """Return logits (batch, n_ids, n_model_ids), and keys and values of all ids by now.

        Parameters
        ----------
        ids : Tensor of shape (batch, n_ids)
            The model's own, those that follow the ``past``.
        tokens, mask : Tensor
            What the encoder says, and what counts of it.
        of_blocks, past : list of pairs of Tensor
            Keys and values, of what the encoder says and of the ids before, of each layer.
        """
        cache = _cache(past, of_blocks)
        return self._run(ids, tokens, mask, cache), _contents(cache.self_attention_cache)

    def _run(self, ids, tokens, mask, cache):
        layers, mask = self.layers, mask.long()
        name = "cache" if "cache" in inspect.signature(type(layers).forward).parameters else "past_key_values"
        arguments = {name: cache, "use_cache": True}
        if self.is_whole:
            told = {"attention_mask": mask} if self.takes_mask else {}
            return layers(encoder_outputs=(tokens,), decoder_input_ids=ids, **told, **arguments).logits
        return layers(
            input_ids=ids, encoder_hidden_states=self.between(tokens), encoder_attention_mask=mask, **arguments
        ).logits


class DecoderSource(Source):
    """Where the weights of a `DecoderHalf` came from."""

    def layers_of(self, checkpoint):
        """Return the network that a checkpoint loads."""
        model = load_encoder_decoder(checkpoint.folder, trust_remote_code=checkpoint.trust_remote_code)
        return decoder_half(model, adopt).layers


def decoder_half(model, keep):
    """Return the `DecoderHalf` of an encoder-decoder of transformers.

    Parameters
    ----------
    model : torch.nn.Module
        The whole. It stays as it is.
    keep : callable
        Makes a shared module of what is taken out: `adopt`, of what nobody else changes, or `share`, which copies.
    """
    encoder, part = encoder_of(model.base_model), _part_with_head(model)
    sizes = encoder.config.hidden_size, len((part or model).get_output_embeddings().weight)
    if part is not None:
        return DecoderHalf(keep(part), False, True, *sizes, getattr(model, "enc_to_dec_proj", None))
    whole = sharing_copy(model)
    for name, module in model.named_modules():
        if module is encoder:
            parent, _, own = name.rpartition(".")
            whole.get_submodule(parent)._modules[own] = None
    return DecoderHalf(keep(whole), True, model.config.model_type not in _WITHOUT_MASK, *sizes)


def longest_text(model):
    """Return how many tokens the decoder of an encoder-decoder reads at most; a very large number for any."""
    config = (_part_with_head(model) or model).config.to_dict()
    if "relative_attention_num_buckets" in config:
        return n_positions({})
    return config.get("max_target_positions") or n_positions(config)


def _part_with_head(model):
    """Return the decoder of an encoder-decoder if it has the head; None where the whole has it."""
    parts = [getattr(model, name, None) for name in _BY_THEMSELVES]
    return next((part for part in parts if getattr(part, "get_output_embeddings", lambda: None)() is not None), None)


def _cache(past, of_blocks):
    from transformers.cache_utils import EncoderDecoderCache

    return EncoderDecoderCache(_filled(past), _filled(of_blocks))


def _filled(pairs):
    """Return a cache that has the keys and values, which are not copied."""
    from transformers.cache_utils import DynamicCache, DynamicLayer

    cache = DynamicCache()
    for keys, values in pairs:
        layer = DynamicLayer()
        layer.keys, layer.values, layer.dtype, layer.device = keys, values, keys.dtype, keys.device
        layer.is_initialized = True
        cache.layers.append(layer)
    return cache


def _contents(cache):
    return [(layer.keys, layer.values) for layer in cache.layers]
