"""What a sentence-transformers folder makes of token vectors: pooling, dense layers, normalisation to unit length."""

import torch
import torch.nn as nn
import torch.nn.functional as F

from sklearn_mm.encoders.pretrained._folders import module_folders, read_json, read_object, weight_files
from sklearn_mm.utils._optional import import_extra
from sklearn_mm.utils._token_pooling import masked_max, masked_mean

__all__ = ["SentencePooling", "read_sentence_pooling"]

_ACTIVATIONS = ("GELU", "Identity", "ReLU", "SiLU", "Sigmoid", "Tanh")  # of `torch.nn`
_LEGACY = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}


class SentencePooling(nn.Module):
    """Make one vector per text of the vectors of its tokens.

    Parameters
    ----------
    modes : tuple of str
        Ways to pool, whose vectors are joined: names of sentence-transformers.
    layers : list of torch.nn.Module, default=()
        What vectors then go through.
    """

    def __init__(self, modes, layers=()):
        super().__init__()
        self.modes = tuple(modes)
        self.layers = nn.Sequential(*layers)

    def forward(self, tokens, mask):
        """Map tokens (batch, n_tokens, width), and which of them are there, to vectors (batch, out_features)."""
        return self.layers(torch.cat([_POOL[mode](tokens, mask) for mode in self.modes], 1))


def read_sentence_pooling(folder):
    """Return the `SentencePooling` of a sentence-transformers folder; None if a folder is none."""
    if not (folder / "modules.json").is_file():
        return None
    kinds = [entry["type"].rpartition(".")[2] for entry in read_json(folder / "modules.json")]
    modules = list(zip(kinds, module_folders(folder), strict=True))
    modes, layers = ("mean",), []
    for kind, path in modules[1:]:
        if kind == "Pooling":
            modes = _modes(read_object(path / "config.json"), folder)
        elif kind == "Dense":
            layers.append(_dense(read_object(path / "config.json"), _tensors(path), folder))
        elif kind == "Normalize":
            layers.append(_Normalise())
        elif kind != "Dropout":
            raise ValueError(
                f"PretrainedEncoder cannot compute the step {kind!r} that {str(folder / 'modules.json')!r} names; it "
                'knows Pooling, Dense and Normalize. Choose a pooling yourself, as pooling="mean", or hand in the '
                "loaded SentenceTransformer."
            )
    return SentencePooling(modes, layers)


class _Normalise(nn.Module):
    def forward(self, x):
        return F.normalize(x, dim=1)


def _tensors(folder):
    (file,) = weight_files(folder)
    if file.suffix == ".safetensors":
        return import_extra("safetensors.torch", "pretrained", "A pretrained model").load_file(file)
    return torch.load(file, map_location="cpu", weights_only=True)


def _modes(config, folder):
    modes = config.get("pooling_mode") or [mode for name, mode in _LEGACY.items() if config.get(name)]
    modes = [modes] if isinstance(modes, str) else modes
    unknown = [mode for mode in modes if mode not in _POOL]
    if unknown or not modes:
        raise ValueError(
            f"PretrainedEncoder cannot pool as {str(folder)!r} asks: {unknown or 'no mode is named'}. It knows "
            f'{sorted(_POOL)}. Choose a pooling yourself, as pooling="mean".'
        )
    return modes


def _dense(config, tensors, folder):
    name = config.get("activation_function", "torch.nn.modules.activation.Tanh").rpartition(".")[2]
    if name not in _ACTIVATIONS or config.get("use_residual"):
        raise ValueError(
            f"PretrainedEncoder cannot compute a dense layer of {str(folder)!r}, with activation {name!r}. It knows "
            f'{list(_ACTIVATIONS)} without a residual. Choose a pooling yourself, as pooling="mean".'
        )
    linear = nn.Linear(config["in_features"], config["out_features"], bias=config.get("bias", True))
    linear.load_state_dict({key.rpartition(".")[2]: value for key, value in tensors.items()})
    return nn.Sequential(linear, getattr(nn, name)())


def _first(tokens, mask):
    return tokens[:, 0]


def _last(tokens, mask):
    place = torch.arange(mask.shape[1], device=mask.device) * mask
    return tokens[torch.arange(len(tokens), device=tokens.device), place.amax(1)]


def _mean_sqrt(tokens, mask):
    return masked_mean(tokens, mask) * mask.sum(1, keepdim=True).clamp(min=1).sqrt()


def _weighted_mean(tokens, mask):
    weight = (mask.cumsum(1) * mask).to(tokens.dtype).unsqueeze(2)
    return (weight * tokens).sum(1) / weight.sum(1).clamp(min=1)


_POOL = {
    "cls": _first,
    "lasttoken": _last,
    "max": masked_max,
    "mean": masked_mean,
    "mean_sqrt_len_tokens": _mean_sqrt,
    "weightedmean": _weighted_mean,
}
