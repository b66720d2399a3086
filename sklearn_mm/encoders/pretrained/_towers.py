"""How a tower of a pretrained network is called with a block's tensors, and what comes back (encoder backbones)."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn as nn
import torch.nn.functional as F

from sklearn_mm.encoders._base import base_encoder
from sklearn_mm.encoders._places import places

__all__ = [
    "AudioArguments",
    "Encoded",
    "ImageArguments",
    "ModuleArguments",
    "Output",
    "TextArguments",
    "Tower",
    "coarser",
]

_SPAN = 40  # samples, of which a token of sound has many


class Encoded(NamedTuple):
    """What a network says of some rows.

    Parameters
    ----------
    tokens : torch.Tensor of shape (batch, n_tokens, width)
        What comes out of its last layer.
    mask : torch.Tensor of shape (batch, n_tokens), dtype bool
        Which tokens are there.
    own : torch.Tensor of shape (batch, out_features) or None
        The vector that the network itself makes of a row.
    """

    tokens: torch.Tensor
    mask: torch.Tensor
    own: torch.Tensor | None


class Output(NamedTuple):
    """What networks of other libraries return, under the names of transformers.

    Parameters
    ----------
    last_hidden_state : torch.Tensor
        Tokens, or a map.
    pooler_output : torch.Tensor of shape (batch, out_features)
        The network's own vector.
    """

    last_hidden_state: torch.Tensor
    pooler_output: torch.Tensor


@dataclass(frozen=True)
class Tower:
    """A network, or the part of one that reads one modality.

    Parameters
    ----------
    method : str
        What to call.
    own : {"pooler_output", "first"} or None, default=None
        How the network's own vector comes about: what it returns as such, or else its first token. None leaves it to
        the caller.
    channels_last : bool, default=False
        Whether maps are (batch, height, width, channels).
    """

    method: str = "__call__"
    own: str | None = None
    channels_last: bool = False

    def run(self, model, arguments):
        """Return what a network gives for its arguments: a dict, or a tuple."""
        call = getattr(model, self.method)
        return call(**arguments) if isinstance(arguments, dict) else call(*arguments)

    def read(self, output, mask):
        """Return `Encoded` of an output; ``mask`` says which tokens are there, None that all are."""
        tokens = getattr(output, "last_hidden_state", None)
        if tokens is None:
            tokens = output[0] if isinstance(output, tuple) else output
        if not isinstance(tokens, torch.Tensor) or tokens.ndim not in (2, 3, 4):
            got = (
                f"a tensor of shape {tuple(tokens.shape)}"
                if isinstance(tokens, torch.Tensor)
                else f"a {type(tokens).__name__}"
            )
            raise TypeError(f"it returned {got} where a tensor of 2, 3 or 4 dimensions is needed, rows first")
        tokens = self.tokens_of(tokens)
        if tokens.ndim == 2:
            return Encoded(tokens.unsqueeze(1), tokens.new_ones(len(tokens), 1, dtype=torch.bool), tokens)
        if mask is not None and mask.shape[1] > tokens.shape[1]:
            mask = coarser(mask, tokens.shape[1])
        if mask is None or mask.shape != tokens.shape[:2]:
            mask = tokens.new_ones(tokens.shape[:2], dtype=torch.bool)
        return Encoded(tokens, mask, self._own(output, tokens))

    def tokens_of(self, hidden):
        """Return hidden states as tokens, also those of maps."""
        if hidden.ndim != 4:
            return hidden
        return hidden.flatten(1, 2) if self.channels_last else places(hidden)

    def _own(self, output, tokens):
        pooled = getattr(output, "pooler_output", None) if self.own == "pooler_output" else None
        if pooled is not None:
            return pooled.flatten(1)
        return None if self.own is None else tokens[:, 0]


def coarser(mask, n_tokens):
    """Return which of fewer tokens are there: those with a part that is."""
    return F.adaptive_max_pool1d(mask.float(), n_tokens) > 0


class TextArguments(nn.Module):
    """From the ids of a block to those of a model, and the mask of attention.

    Parameters
    ----------
    model_ids : int64 array of shape (n_ids,)
        The model's own id of each id of a block.
    padding_id : int, default=0
        What the model takes for padding.
    padded_length : int, default=None
        To what length texts are filled up with padding that is read as text: so some models were trained.
    """

    def __init__(self, model_ids, padding_id=0, padded_length=None):
        super().__init__()
        ids = torch.tensor(model_ids)
        ids[ids < 0] = padding_id
        self.register_buffer("model_ids", ids)
        self.padded_length = padded_length

    def forward(self, ids):
        """Return arguments by name, and which tokens are there (batch, n_tokens)."""
        mask = ids != 0
        if self.padded_length is not None:
            n_lacking = max(0, self.padded_length - ids.shape[1])
            ids = F.pad(ids, (0, n_lacking))
            return {"input_ids": self.model_ids[ids]}, torch.ones_like(ids, dtype=torch.bool)
        if torch.compiler.is_compiling() or not mask.all():
            attention = mask.clone()
            attention[:, 0] = True  # of a row of padding alone there is something to attend to, which counts nowhere
            return {"input_ids": self.model_ids[ids], "attention_mask": attention.long()}, mask
        return {"input_ids": self.model_ids[ids]}, mask  # attention without a mask is faster


class ModuleArguments(nn.Module):
    """What is usual for the kind of a block as the arguments of a module.

    Parameters
    ----------
    spec : BlockSpec
        Describes the block.
    """

    def __init__(self, spec):
        super().__init__()
        self.base = base_encoder(spec.kind)
        self.base.register_statistics(self, spec)

    def forward(self, x):
        """Return arguments, and which tokens are there, (batch, n_tokens) or None."""
        return self.base.module_arguments(self, x), self.base.token_mask(self, x)


class ImageArguments(ModuleArguments):
    """Normalised pictures as the argument of a model of transformers."""

    def forward(self, x):
        """Return arguments by name, and None: all tokens are there."""
        (pictures,), _ = super().forward(x)
        return {"pixel_values": pictures}, None


class AudioArguments(nn.Module):
    """Waves as the argument of a model, as they are or as spectra.

    Parameters
    ----------
    name : str
        Name of the argument.
    spectra : torch.nn.Module, default=None
        Maps waves (batch, n_samples) to what the model reads.
    """

    def __init__(self, name, spectra=None):
        super().__init__()
        self.name = name
        self.spectra = spectra

    def forward(self, waves):
        """Return arguments by name, and in which short spans there is sound, (batch, n_spans): up to its end."""
        waves = waves.float()
        n_samples = getattr(self.spectra, "n_samples", waves.shape[1])  # of which the network reads as many
        lengths = waves.shape[1] - waves.flip(1).ne(0).to(torch.uint8).argmax(1)  # where all is silent, so is the end
        starts = torch.arange(0, n_samples, _SPAN, device=waves.device)
        return {self.name: waves if self.spectra is None else self.spectra(waves)}, starts < lengths.unsqueeze(1)
