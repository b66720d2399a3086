"""Dual encoders of open_clip from local folders: the tower of pictures, and that of texts."""

import torch
import torch.nn as nn

from sklearn_mm.encoders.pretrained._checkpoints import Checkpoint, check_vocabulary
from sklearn_mm.encoders.pretrained._folders import OPEN_CLIP, CheckpointError, file_stamps, weight_files
from sklearn_mm.encoders.pretrained._image_reading import image_reading
from sklearn_mm.encoders.pretrained._loading import FAILURES, first_line, load_once
from sklearn_mm.encoders.pretrained._open_clip_texts import open_clip_text_reading, padding_id
from sklearn_mm.encoders.pretrained._state_dicts import fill, read_state
from sklearn_mm.encoders.pretrained._towers import ModuleArguments, Output, TextArguments, Tower
from sklearn_mm.utils._optional import import_beside_torchvision
from sklearn_mm.utils._shared_module import adopt
from sklearn_mm.utils._tokenizers import model_ids

__all__ = ["OpenClipCheckpoint"]


class OpenClipCheckpoint(Checkpoint):
    """A folder as open_clip writes it: open_clip_config.json beside open_clip_model.safetensors."""

    def reading(self, kind, long_texts):
        """Return how a block of a kind is read for it: parameters of a transformer."""
        if kind == "text":
            return open_clip_text_reading(self.folder, self._part("text_cfg"), long_texts)
        return image_reading(self.folder) if kind == "image" else {}

    def fixed(self, kind):
        """Return the names of those parameters without which the network computes nonsense, or nothing."""
        return {"text": ("tokenizer", "special_tokens"), "image": ("size", "color")}.get(kind, ())

    def reads(self, kind):
        """Return whether the network reads blocks of a kind."""
        return kind in ("image", "text")

    def load(self, kind):
        """Return the tower that reads a kind, shared by all who ask, and how it is called."""
        if not self.reads(kind):
            raise self.reads_others("dual encoder", ["text", "image"], kind)
        folder = self.folder.resolve()
        files = weight_files(folder)
        key = "open_clip", file_stamps([folder / OPEN_CLIP, *files])
        return adopt(load_once(key, lambda: self._load(folder, files))[kind]), Tower(own="pooler_output")

    def arguments(self, spec, reading):
        """Return what makes the arguments of a tower of prepared tensors of a block."""
        if spec.kind == "image":
            return ModuleArguments(spec)
        text = self.load("text")[0]
        padded_length = None if text.takes_short_rows else text.network.context_length
        padding = padding_id(self.folder, self._part("text_cfg"))
        ids = model_ids(reading["tokenizer"])
        check_vocabulary(spec, ids, text.network.vocab_size, self.folder)
        return _IdsAlone(ids, padding, padded_length)

    def longest(self, kind):
        """Return how many tokens a text may have at most."""
        return self.load("text")[0].network.context_length if kind == "text" else None

    def pooling(self, kind):
        """Return None: the towers make their own vectors."""

    def _part(self, name):
        part = (self.config.get("model_cfg") or {}).get(name)
        if not isinstance(part, dict):
            raise CheckpointError(self.folder, f"{OPEN_CLIP} has no model_cfg with {name}.")
        return part

    def _load(self, folder, files):
        import_beside_torchvision("open_clip", "open_clip_torch", f"The model of open_clip in {str(folder)!r}")
        from open_clip.model import CustomTextCLIP, convert_to_custom_text_state_dict

        settings = {name: value for name, value in self.config["model_cfg"].items() if name != "custom_text"}
        vision, text = self._part("vision_cfg"), self._part("text_cfg")
        elsewhere = text.get("hf_model_name") or vision.get("timm_model_name") or ""
        if text.get("hf_model_name") or ":" in elsewhere:
            raise CheckpointError(
                folder,
                f"a tower of it is {elsewhere!r} of the hub, whose configuration is not in it.",
                "Give the folder of a model whose towers are open_clip's own, or architectures of timm.",
            )
        if "multimodal_cfg" in settings:
            raise CheckpointError(folder, "it is a CoCa, which also writes texts.", "Give a dual encoder.")
        settings["vision_cfg"] = {**vision, "timm_model_pretrained": False}  # its weights are in the folder
        state = convert_to_custom_text_state_dict(read_state(folder, files))
        state.pop("text.transformer.embeddings.position_ids", None)
        try:
            with torch.random.fork_rng(devices=[]):
                model = CustomTextCLIP(**settings)
        except (*FAILURES, AssertionError) as error:
            raise CheckpointError(folder, f"open_clip ends in {first_line(error)}") from error
        for name in ("logit_scale", "logit_bias"):  # either a number or a vector of one
            if name in state and getattr(model, name) is not None:
                state[name] = state[name].reshape(getattr(model, name).shape)
        fill(model, state, folder)
        return {"image": _Tower(model, model.visual), "text": _TextTower(model, model.text)}


class _Tower(nn.Module):
    """One tower of a dual encoder, with what makes logits of cosines.

    Parameters
    ----------
    model : open_clip.CustomTextCLIP
        The dual encoder.
    network : torch.nn.Module
        Its tower.
    """

    def __init__(self, model, network):
        super().__init__()
        self.network = network
        self.logit_scale, self.logit_bias = model.logit_scale, model.logit_bias
        if hasattr(network, "output_tokens"):
            network.output_tokens = True

    def forward(self, x):
        output = self.network(x)
        return Output(output[1], output[0]) if isinstance(output, tuple) else output


class _TextTower(_Tower):
    """The tower of texts. Where each token sees those before it alone, what pads a row changes nothing."""

    def __init__(self, model, network):
        super().__init__(model, network)
        network.transformer.get_cast_dtype = _float32  # else asked of the first layer, which may be in another part
        is_causal = network.attn_mask is not None and network.cls_emb is None
        self.takes_short_rows = is_causal and network.pool_type in ("argmax", "eos", "first")
        if self.takes_short_rows:
            network.transformer.register_forward_pre_hook(_shorten_mask, with_kwargs=True)


def _float32():
    return torch.float32


def _shorten_mask(module, args, kwargs):
    """Cut the mask of attention, which open_clip makes for rows of full length, to the rows that came."""
    n_tokens = args[0].shape[1]
    return args, {**kwargs, "attn_mask": kwargs["attn_mask"][:n_tokens, :n_tokens]}


class _IdsAlone(TextArguments):
    """The ids of texts as the only argument."""

    def forward(self, ids):
        """Return arguments, and which tokens are there (batch, n_tokens)."""
        arguments, mask = super().forward(ids)
        return (arguments["input_ids"],), mask
