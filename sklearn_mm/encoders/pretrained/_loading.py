"""Models of transformers, from local folders: memory-mapped, float32, shared, and nothing in them is run."""

import contextlib
import pickle
import re
import threading
from collections import OrderedDict
from functools import cached_property

import torch
from torch.nn.utils.parametrize import remove_parametrizations

from sklearn_mm.encoders.pretrained._folders import (
    CheckpointError,
    file_stamps,
    model_folder,
    read_object,
    weight_files,
)
from sklearn_mm.utils._optional import import_extra
from sklearn_mm.utils._registry import did_you_mean

__all__ = [
    "check_headers",
    "encoder_of",
    "first_line",
    "load_encoder_decoder",
    "load_model",
    "load_once",
    "some",
    "writes",
]

_N_KEPT = 4  # models that stay loaded: the towers of a few columns
_loaded = OrderedDict()  # models by what they were loaded from, those used last at the end
_turn = threading.Lock()

_ONLY_TRAINED_WITH = ("masked_spec_embed", "mask_token")  # stand in for what pretraining hides
# What transformers ends in over a broken or hostile file.
FAILURES = (ArithmeticError, AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError)


def load_model(folder, *, trust_remote_code=False):
    """Return the model of transformers in a local folder, in ``eval`` mode and float32; an encoder-decoder's encoder.

    Weights are memory-mapped: processes that load the same safetensors share the pages (half precision is converted,
    into each process's own memory). No request is made, and no code of the folder is run unless it is trusted.

    Parameters
    ----------
    folder : path-like
        A folder as `find_folder` returns it.
    trust_remote_code : bool, default=False
        Whether to run the code in the folder that its ``config.json`` names in ``auto_map``.

    Returns
    -------
    model : torch.nn.Module
        The same object for all calls, as long as the files do not change: copy it before training it. Its ``pooler``
        is None where the checkpoint has no weights for it.
    """
    whole = _load_whole(folder, trust_remote_code)
    with _turn:  # it is changed when it is first asked for
        return whole.encoder


def load_encoder_decoder(folder, *, trust_remote_code=False):
    """Return the encoder-decoder of transformers in a local folder, whose encoder `load_model` returns.

    Parameters
    ----------
    folder : path-like
        A folder as `find_folder` returns it.
    trust_remote_code : bool, default=False
        As of `load_model`.

    Returns
    -------
    model : torch.nn.Module
        The same object for all calls. Its decoder was loaded as a whole; its encoder may not have been.
    """
    whole = _load_whole(folder, trust_remote_code)
    with _turn:
        return whole.encoder_decoder


def _load_whole(folder, trust_remote_code):
    folder = model_folder(folder).resolve()
    _check_config(folder, trust_remote_code)
    files = weight_files(folder)
    texts = [folder / name for name in ("config.json", "generation_config.json") if (folder / name).is_file()]
    key = file_stamps([*texts, *files]), trust_remote_code
    return load_once(key, lambda: _Whole(folder, *_load(folder, files, trust_remote_code)))


class _Whole:
    """A model with all of its halves, of which those that are asked for must have been loaded as a whole.

    Parameters
    ----------
    folder : pathlib.Path
        Where it came from.
    model : torch.nn.Module
        From transformers.
    report : dict
        What transformers says of its weights.
    """

    def __init__(self, folder, model, report):
        self.folder = folder
        self.model = model.eval()
        self.report = report
        self._encoder = encoder_of(model.base_model)
        self._prefix = next(
            f"{name}." if name else "" for name, module in model.named_modules() if module is self._encoder
        )

    @cached_property
    def encoder(self):
        """The encoder, or all of a model that has no decoder."""
        encoder = self._encoder
        self._check("encoder", encoder, lambda name: name.startswith(self._prefix), self._prefix)
        for module in encoder.modules():
            for name in list(getattr(module, "parametrizations", ())):  # weight normalisation cannot be pickled
                remove_parametrizations(module, name)
                module._load_state_dict_pre_hooks.clear()
        return encoder

    @cached_property
    def encoder_decoder(self):
        """The model, if it has a decoder that writes texts."""
        if not writes(self.model):
            raise CheckpointError(
                self.folder,
                f"its {type(self.model).__name__} does not write texts by what an encoder says.",
                "A PretrainedDecoder takes encoder-decoders such as T5, BART, Marian, Whisper, VisionEncoderDecoder "
                "and the captioning BLIP, saved with their head (T5ForConditionalGeneration and the like); other "
                "models are for a PretrainedEncoder.",
            )
        if (self.folder / "generation_config.json").is_file():
            read_object(self.folder / "generation_config.json")  # which transformers does without if it is broken
        self._check("decoder", self.model, lambda name: not name.startswith(self._prefix))
        return self.model

    def _check(self, what, half, belongs, prefix=""):
        """Raise unless all weights that belong to a half, by their names, are those of the files."""
        folder, model, report, kind = self.folder, self.model, self.report, self.model.config.model_type
        mismatched = [entry for entry in report["mismatched_keys"] if belongs(entry[0])]
        if mismatched:
            shapes = [f"{name} {tuple(found)} for {tuple(wanted)}" for name, found, wanted in sorted(mismatched)]
            raise CheckpointError(
                folder, f"{len(shapes)} weights have other shapes than config.json ({kind}) asks for: {some(shapes)}."
            )
        missing = {name.removeprefix(prefix) for name in report["missing_keys"] if belongs(name)}
        missing -= _do_without(half, missing)
        own = [name for name in model.state_dict() if belongs(name)]
        if missing:
            raise CheckpointError(
                folder,
                f"{len(missing)} of the {len(own)} weights of a {kind} {what} are missing: {some(sorted(missing))}.",
            )
        base = f"{model.base_model_prefix}."
        layers = {_pattern(name.removeprefix(base)) for name in own}
        surplus = sorted(name for name in report["unexpected_keys"] if _pattern(name.removeprefix(base)) in layers)
        if surplus:
            raise CheckpointError(
                folder,
                f"{len(surplus)} weights are of layers that config.json ({kind}) does not have: {some(surplus)}.",
            )


def load_once(key, load):
    """Return what ``load()`` returns, or returned for the same key before, if not many others were asked for since."""
    with _turn:
        if key not in _loaded:
            _loaded[key] = load()
            while len(_loaded) > _N_KEPT:
                _loaded.popitem(last=False)
        _loaded.move_to_end(key)
        return _loaded[key]


def _check_config(folder, trust_remote_code):
    """Raise unless transformers has the architecture, and all of it lies in the folder."""
    if (folder / "adapter_config.json").is_file():
        raise CheckpointError(
            folder,
            "adapter_config.json says that it is, or has, an adapter of peft, to be put into another model.",
            "Merge it and save the whole: model.merge_and_unload().save_pretrained(folder).",
        )
    config = read_object(folder / "config.json")
    for key, value in _entries(config):
        if key == "quantization_config" and value:
            raise CheckpointError(folder, "its weights are quantised (quantization_config).", "Save it dequantised.")
        if key == "transformers_weights" or (key.endswith("_implementation") and "/" in str(value)):
            raise CheckpointError(folder, f"config.json points elsewhere with {key}={value!r}.", "Remove that entry.")
    kind, has_code = config.get("model_type"), "auto_map" in config
    known = import_extra("transformers", "pretrained", "A pretrained model").CONFIG_MAPPING
    if (isinstance(kind, str) and kind in known) or (has_code and trust_remote_code):
        return
    found = f"config.json has the model_type {kind!r}, which transformers does not have.{did_you_mean(kind, known)}"
    if has_code:
        raise CheckpointError(
            folder,
            f"{found} The folder brings code of its own (auto_map), which is not run unless you say so.",
            "Read that code, and pass trust_remote_code=True if you trust it.",
        )
    raise CheckpointError(folder, found if kind else "config.json has no model_type.")


def _entries(config):
    for key, value in config.items():
        yield key, value
        if isinstance(value, dict):
            yield from _entries(value)


def _load(folder, files, trust_remote_code):
    """Return a model, in ``eval`` mode, and what transformers reports of its weights."""
    is_safe = files[0].suffix == ".safetensors"
    if is_safe:
        check_headers(folder, files)
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoModel

    try:
        # Weights that are missing are drawn before one hears of them.
        with _quiet(), torch.random.fork_rng(devices=[]):
            return (_writing_class(folder) or AutoModel).from_pretrained(
                folder,
                dtype=torch.float32,
                ignore_mismatched_sizes=True,  # reported below, with their shapes
                local_files_only=True,
                output_loading_info=True,
                trust_remote_code=trust_remote_code,
                use_safetensors=is_safe,
                weights_only=True,
            )
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            folder,
            f"{files[0].name} is damaged, or holds more than tensors: a pickle may run any code, so reading stopped.",
            "Get the model as safetensors from whoever made it.",
        ) from error
    except (*FAILURES, StrictDataclassError) as error:
        raise CheckpointError(folder, f"transformers ends in {first_line(error)}") from error


def _writing_class(folder):
    """Return the class of an encoder-decoder with a head that writes texts, if ``config.json`` names one; else None."""
    import transformers

    config = read_object(folder / "config.json")
    name = next(iter(config.get("architectures") or ()), None)
    found = getattr(transformers, name, None) if isinstance(name, str) else None
    if not (isinstance(found, type) and issubclass(found, transformers.PreTrainedModel)):
        return None
    is_own = getattr(found.config_class, "model_type", None) == config.get("model_type")
    has_both = config.get("is_encoder_decoder") is True or name == "BlipForConditionalGeneration"
    return found if is_own and has_both and found.can_generate() else None


def encoder_of(model):
    """Return the encoder of an encoder-decoder, other models as they are."""
    if all(isinstance(getattr(model, half, None), torch.nn.Module) for half in ("encoder", "decoder")):
        return model.get_encoder()
    has_both = all(isinstance(getattr(model, half, None), torch.nn.Module) for half in ("vision_model", "text_decoder"))
    return model.vision_model if has_both else model


def writes(model):
    """Return whether a model of transformers is an encoder-decoder with a head that writes texts."""
    return encoder_of(model.base_model) is not model.base_model and model.can_generate()


def check_headers(folder, files):
    """Raise unless files are whole safetensors, as far as their headers tell."""
    from safetensors import SafetensorError, safe_open

    for file in files:
        try:
            with safe_open(file, framework="pt"):
                pass
        except (SafetensorError, OSError) as error:
            raise CheckpointError(folder, f"{file.name} is damaged or no safetensors file ({error}).") from error


def _do_without(encoder, missing):
    """Take out of an encoder what it can do without, where its weights are missing; return their names.

    These are the pooler, an extra layer over the first token that many checkpoints lack, and vectors that stand in for
    what pretraining hides.
    """
    pooler = {name for name in missing if name.startswith("pooler.")}
    if pooler:
        encoder.pooler = None
    hidden = {name for name in missing if name.rpartition(".")[2] in _ONLY_TRAINED_WITH}
    for name in hidden:
        encoder.get_parameter(name).data.zero_()
    return pooler | hidden


def _pattern(name):
    return re.sub(r"\.\d+\.", ".#.", name)


def some(names, most=3):
    """Return the first of some names, for a message."""
    return ", ".join(names[:most]) + (" …" if len(names) > most else "")


def first_line(error):
    """Return what an error says, in a line."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0].rstrip('.')}."


@contextlib.contextmanager
def _quiet():
    """Keep transformers from showing bars and reports: what is wrong is raised."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
