"""Models of transformers that are handed in as objects: the object computes, its folder says how blocks are read."""

import sys
from pathlib import Path

from torch.nn.utils.parametrize import is_parametrized

from sklearn_mm.encoders.pretrained._checkpoints import Checkpoint, reads_kind
from sklearn_mm.encoders.pretrained._hub import find_folder
from sklearn_mm.encoders.pretrained._loading import encoder_of
from sklearn_mm.utils._shared_module import share

__all__ = ["LoadedCheckpoint", "find_transformer", "origin"]


class LoadedCheckpoint(Checkpoint):
    """A model of transformers as an object, and the folder that it was loaded from.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        From `find_transformer`.
    """

    def __init__(self, model):
        self.model = model
        self.config = model.config.to_dict()
        self.folder = origin(model)
        self.revision, self.trust_remote_code = None, False

    def reading(self, kind, long_texts):
        """Return how a block of a kind is read for it; pictures may be read by what the user says."""
        if not self.reads(kind):
            raise self._other_kinds(self.model, kind)
        if self.folder is None and kind == "image":
            return {}
        if self.folder is None:
            name = type(self.model).__name__
            raise ValueError(
                f"PretrainedEncoder({name}): nothing says how the model reads {kind}: it was loaded from "
                f"{self.model.config._name_or_path!r}, which is no local folder. Save it, and its tokenizer or feature "
                "extractor, by save_pretrained(folder), and give that folder."
            )
        return super().reading(kind, long_texts)

    def reads(self, kind):
        """Return whether the network reads blocks of a kind."""
        return reads_kind(self.model, kind)

    def reads_others(self, name, kinds, kind):
        """Return the error of a network that does not read a kind, but others."""
        return ValueError(
            f"PretrainedEncoder({name}): the model reads {' and '.join(kinds) or 'neither text, image nor audio'}, and "
            f"the block is of kind {kind!r}. Give a model for {kind}, or name the encoder of another block."
        )

    def _model(self):
        if any(map(is_parametrized, self.model.modules())):
            raise ValueError(
                f"PretrainedEncoder({type(self.model).__name__}): weights of the model are parametrised (weight "
                "normalisation), which torch cannot pickle. Give the folder that it came from, where this is resolved."
            )
        return share(self.model)


def find_transformer(model):
    """Return the model of transformers that an object is or wraps, without the head of its task; else None.

    Of an encoder-decoder it is the encoder. Adapters of peft stay in it.
    """
    transformers, peft = sys.modules.get("transformers"), sys.modules.get("peft")
    if transformers is None:
        return None
    if peft is not None and isinstance(model, peft.PeftModel):
        if model.active_peft_config.is_prompt_learning:
            raise ValueError(
                f"PretrainedEncoder({type(model).__name__}): prompts that were learnt (prompt tuning) cannot be read "
                "with. Give a model with adapters that are layers, such as LoRA."
            )
        model = model.get_base_model()
    return encoder_of(model.base_model) if isinstance(model, transformers.PreTrainedModel) else None


def origin(model):
    """Return the local folder that a model of transformers was loaded from; None if there is none."""
    name = model.config._name_or_path
    if not name:
        return None
    try:
        return Path(find_folder(name, fetch=False))
    except (ImportError, OSError, ValueError):
        return None
