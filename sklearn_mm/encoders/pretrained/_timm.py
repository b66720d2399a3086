"""Vision networks of timm (PyTorch Image Models) from local folders."""

import inspect

import torch
import torch.nn as nn

from sklearn_mm.encoders.pretrained._checkpoints import Checkpoint
from sklearn_mm.encoders.pretrained._folders import CheckpointError, file_stamps, weight_files
from sklearn_mm.encoders.pretrained._image_reading import image_reading
from sklearn_mm.encoders.pretrained._loading import FAILURES, first_line, load_once
from sklearn_mm.encoders.pretrained._state_dicts import fill, read_state
from sklearn_mm.encoders.pretrained._towers import ModuleArguments, Output, Tower
from sklearn_mm.utils._optional import import_beside_torchvision
from sklearn_mm.utils._registry import did_you_mean
from sklearn_mm.utils._shared_module import adopt

__all__ = ["TimmCheckpoint"]


class TimmCheckpoint(Checkpoint):
    """A folder as timm writes it, or as its networks lie on the hub: config.json beside model.safetensors."""

    def reading(self, kind, long_texts):
        """Return how pictures are read for it."""
        return image_reading(self.folder) if kind == "image" else {}

    def fixed(self, kind):
        """Return the names of those parameters without which the network computes nonsense, or nothing."""
        return ("size", "color") if self._pretrained_cfg.get("fixed_input_size", False) else ("color",)

    def reads(self, kind):
        """Return whether the network reads blocks of a kind."""
        return kind == "image"

    def load(self, kind):
        """Return the network, shared by all who ask, and its `Tower`."""
        if kind != "image":
            raise self.reads_others(self.config["architecture"], ["image"], kind)
        folder = self.folder.resolve()
        files = weight_files(folder)
        model = load_once(("timm", file_stamps([folder / "config.json", *files])), lambda: self._load(folder, files))
        return adopt(model), Tower(own="pooler_output", channels_last=model.channels_last)

    def arguments(self, spec, reading):
        """Return what makes the arguments of the network of prepared tensors of a block."""
        return ModuleArguments(spec)

    def longest(self, kind):
        """Return None: it reads no texts."""

    def pooling(self, kind):
        """Return None: the network makes its own vector."""

    @property
    def _pretrained_cfg(self):
        return self.config.get("pretrained_cfg") or self.config

    def _load(self, folder, files):
        timm = import_beside_torchvision("timm", "timm", f"The model of timm in {str(folder)!r}")
        name, settings = str(self.config["architecture"]), self.config.get("model_args") or {}
        if not isinstance(settings, dict) or not isinstance(self._pretrained_cfg, dict):
            raise CheckpointError(folder, "model_args and pretrained_cfg of config.json are no JSON objects.")
        told = {**self._pretrained_cfg}
        told.update({key: self.config[key] for key in ("num_classes", "global_pool") if key in self.config})
        if not timm.is_model(name):
            hint = did_you_mean(name, timm.list_models())
            raise CheckpointError(folder, f"timm has no architecture {name!r}.{hint}", "Install a newer timm.")
        elsewhere = sorted(settings.keys() & inspect.signature(timm.create_model).parameters.keys())
        if elsewhere:
            raise CheckpointError(folder, f"model_args of config.json has {elsewhere}, which say what to load.")
        state = read_state(folder, files)
        try:
            with torch.random.fork_rng(devices=[]):
                settings = {**settings, "num_classes": 0}
                model = timm.create_model(name, pretrained=False, pretrained_cfg=told, **settings)
        except (*FAILURES, AssertionError) as error:
            raise CheckpointError(folder, f"timm ends in {first_line(error)}") from error
        heads = told.get("classifier") or ()
        heads = (heads,) if isinstance(heads, str) else tuple(heads)
        return _Features(fill(model, state, folder, left_out=tuple(f"{head}." for head in heads)))


class _Features(nn.Module):
    """A network of timm that returns its last map or tokens, and its own vector of them.

    Parameters
    ----------
    model : torch.nn.Module
        Made by timm.
    """

    def __init__(self, model):
        super().__init__()
        self.model = model
        self.channels_last = getattr(model, "output_fmt", "NCHW") == "NHWC"

    def forward(self, pictures):
        features = self.model.forward_features(pictures)
        return Output(features, self.model.forward_head(features, pre_logits=True))
