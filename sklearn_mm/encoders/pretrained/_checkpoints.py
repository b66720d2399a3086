"""A folder with a pretrained network: which modalities it reads, how, and the towers that read them (dual encoders)."""

from weakref import WeakKeyDictionary

from sklearn_mm.encoders.pretrained._folders import config_file, model_folder, read_object
from sklearn_mm.encoders.pretrained._image_reading import image_reading
from sklearn_mm.encoders.pretrained._layer_stack import sharing_copy
from sklearn_mm.encoders.pretrained._loading import load_model
from sklearn_mm.encoders.pretrained._sentence_pooling import read_sentence_pooling
from sklearn_mm.encoders.pretrained._spectra import make_spectra
from sklearn_mm.encoders.pretrained._text_reading import longest_text, pads_to_full_length, text_reading
from sklearn_mm.encoders.pretrained._towers import AudioArguments, ImageArguments, TextArguments, Tower
from sklearn_mm.utils._shared_module import adopt
from sklearn_mm.utils._tokenizers import model_ids

__all__ = ["Checkpoint", "check_vocabulary", "reads_kind"]

_MAIN_INPUTS = {"text": ("input_ids",), "image": ("pixel_values",), "audio": ("input_features", "input_values")}
_OTHERS = {"text": ("vision", "visual", "image", "audio"), "image": ("text",), "audio": ("text",)}
_OF_ANY_SIZE = ("convnext", "convnextv2", "focalnet", "poolformer")  # convolutions, though they begin with patches
_towers = WeakKeyDictionary()  # by model: its towers by kind


class Checkpoint:
    """A pretrained network in a folder.

    Parameters
    ----------
    folder : pathlib.Path
        What `find_folder` returns.
    revision : str, default=None
        Of a hub name.
    trust_remote_code : bool, default=False
        Whether to run code that comes with the network.
    """

    def __init__(self, folder, revision=None, trust_remote_code=False):
        self.folder = folder
        self.revision = revision
        self.trust_remote_code = trust_remote_code
        self.config = read_object(config_file(model_folder(self.folder)))

    def reading(self, kind, long_texts):
        """Return how a block of a kind is read for it: parameters of a transformer."""
        try:
            return self._read_files(kind, long_texts)
        except ValueError as error:
            if self.reads(kind):
                raise
            raise self._other_kinds(self._model(), kind) from error  # which is why the files do not say it

    def _read_files(self, kind, long_texts):
        if kind == "text":
            return text_reading(self.folder, long_texts=long_texts)
        if kind == "image":
            return image_reading(self.folder)
        if kind == "audio":
            return {"rate": read_object(self.folder / "preprocessor_config.json").get("sampling_rate", 16_000)}
        return {}

    def fixed(self, kind):
        """Return the names of those parameters without which the network computes nonsense, or nothing."""
        if kind == "text":
            return ("tokenizer", "special_tokens")
        if kind == "image":
            config = self.config.get("vision_config") or self.config.get("encoder") or self.config
            has_places = "patch_size" in config and config.get("model_type") not in _OF_ANY_SIZE
            return ("size", "color") if has_places else ("color",)
        return ("rate",) if kind == "audio" else ()

    def reads(self, kind):
        """Return whether the network reads blocks of a kind."""
        return kind in _MAIN_INPUTS and reads_kind(self._model(), kind)

    def _model(self):
        return load_model(self.folder, trust_remote_code=self.trust_remote_code)

    def load(self, kind):
        """Return the network that reads a kind, shared by all who ask, and its `Tower`."""
        model = adopt(self._model())
        method = f"get_{kind}_features"
        if hasattr(model, method):
            towers = _towers.setdefault(model, {})
            if kind not in towers:
                towers[kind] = adopt(_half(model, kind))
            return towers[kind], Tower(method, "pooler_output")
        if getattr(model, "main_input_name", None) not in _MAIN_INPUTS.get(kind, ()):
            raise self._other_kinds(model, kind)
        if kind != "image":
            return model, Tower()
        # A dense layer over the first token is of another task's training, or of none.
        return model, Tower(own="first" if hasattr(getattr(model, "pooler", None), "dense") else "pooler_output")

    def _other_kinds(self, model, kind):
        return self.reads_others(type(model).__name__, [name for name in _MAIN_INPUTS if reads_kind(model, name)], kind)

    def reads_others(self, name, kinds, kind):
        """Return the error of a network that does not read a kind, but others."""
        return ValueError(
            f"The pretrained model in {str(self.folder)!r} cannot encode this block: its {name} reads "
            f"{' and '.join(kinds) or 'neither text, image nor audio'}, and the block is of kind {kind!r}. Give a "
            f"model for {kind}, or name the encoder of another block."
        )

    def arguments(self, spec, reading):
        """Return what makes the arguments of the network of prepared tensors of a block."""
        if spec.kind == "image":
            return ImageArguments(spec)
        if spec.kind == "audio":
            settings = read_object(self.folder / "preprocessor_config.json")
            name = "input_features" if "feature_size" in settings and settings["feature_size"] > 1 else "input_values"
            if getattr(spec, "n_bands", None) is not None:
                raise ValueError(
                    f"PretrainedEncoder: block {spec.name!r} holds log-mels, and the model in {str(self.folder)!r} "
                    'reads waves. Read the block with features="wave" (AudioTransformer).'
                )
            return AudioArguments(name, make_spectra(settings, spec.padded))
        config = self.config.get("text_config") or self.config
        ids = model_ids(reading["tokenizer"])
        check_vocabulary(spec, ids, config.get("vocab_size", len(ids)), self.folder)
        return TextArguments(
            ids,
            config.get("pad_token_id") or 0,
            config.get("max_position_embeddings", 64) if pads_to_full_length(self.folder) else None,
        )

    def longest(self, kind):
        """Return how many tokens a text may have at most, None if that is not known."""
        return longest_text(self.folder) if kind == "text" else None

    def pooling(self, kind):
        """Return the module that makes vectors of tokens, of a sentence-transformers folder; else None."""
        return read_sentence_pooling(self.folder) if kind == "text" else None


def check_vocabulary(spec, ids, n_embeddings, folder):
    """Raise if a block has ids that the tokenizer of a model, or the model itself, does not have."""
    n_ids = max(int(ids.max()) + 1, spec.vocab_size - 1)  # of the block, 0 is no token
    if spec.vocab_size > len(ids) or ids.max() >= n_embeddings:
        raise ValueError(
            f"PretrainedEncoder: block {spec.name!r} has a vocabulary of {n_ids} tokens, and the model in "
            f"{str(folder)!r} one of {min(n_embeddings, len(ids) - 1)}: they were read by the tokenizer of another "
            'model. Leave `transformer` at "auto", which takes the tokenizer of the folder.'
        )


def reads_kind(model, kind):
    """Return whether a model of transformers reads blocks of a kind."""
    return hasattr(model, f"get_{kind}_features") or (
        getattr(model, "main_input_name", None) in _MAIN_INPUTS.get(kind, ())
    )


def _half(model, kind):
    """Return the part of a dual encoder that reads a kind, with the same tensors."""
    half = sharing_copy(model)
    for name in list(half._modules):
        if name.startswith(_OTHERS[kind]):
            half._modules[name] = None
    return half
