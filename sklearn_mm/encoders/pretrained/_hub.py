"""From the name of a pretrained model to the local folder that holds it (Hugging Face hub, cache, offline)."""

import os
import re
from pathlib import Path
from typing import NamedTuple

from sklearn_mm.encoders.pretrained._folders import (
    OPEN_CLIP,
    OPEN_CLIP_WEIGHTS,
    config_file,
    model_folder,
    weight_files,
)
from sklearn_mm.utils._optional import import_extra
from sklearn_mm.utils._registry import did_you_mean

__all__ = ["SHORT_NAMES", "ShortName", "find_folder"]


class ShortName(NamedTuple):
    """What a short name stands for: a name on the hub, and the kinds of blocks that the model reads."""

    hub_name: str
    kinds: tuple


# Small models of their kind. Licences, as their authors gave them: Apache-2.0, and MIT of the code of CLIP.
SHORT_NAMES = {
    "clip": ShortName("openai/clip-vit-base-patch32", ("image", "text")),
    "dinov2": ShortName("facebook/dinov2-small", ("image",)),
    "minilm": ShortName("sentence-transformers/all-MiniLM-L6-v2", ("text",)),
    "mpnet": ShortName("sentence-transformers/all-mpnet-base-v2", ("text",)),
    "multilingual-minilm": ShortName("sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2", ("text",)),
    "siglip": ShortName("google/siglip-base-patch16-224", ("image", "text")),
    "vit-base": ShortName("google/vit-base-patch16-224-in21k", ("image",)),
    "wav2vec2": ShortName("facebook/wav2vec2-base", ("audio",)),
    "whisper": ShortName("openai/whisper-base", ("audio",)),
}

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
# "*" stands for folders as well: the modules of sentence-transformers lie in some. Code is fetched, never run unasked.
_FILES = ["*.json", "*.txt", "*.model", "*.py", "model.safetensors", "model-*.safetensors", "*/model.safetensors"]
_PICKLES = ["pytorch_model.bin", "pytorch_model-*.bin", "*/pytorch_model.bin"]
_OTHER_FORMATS = ["onnx/*", "openvino/*", "coreml/*"]


def find_folder(model: str | os.PathLike, *, revision: str | None = None, fetch: bool = True) -> Path:
    """Return the local folder of a pretrained model: its own, or one in the cache of the Hugging Face hub.

    Nothing is requested for a folder that exists, nor for a model that the cache has. Else the hub's client downloads
    what is needed, with its progress bar; it honours ``HF_HUB_OFFLINE``, ``HF_HOME``, proxies and tokens.

    Parameters
    ----------
    model : str or path-like
        A folder; or a name on the hub, as "org/name"; or one of the short names in `SHORT_NAMES`.
    revision : str, default=None
        Branch, tag or commit on the hub; None is the main branch, as the cache has it.
    fetch : bool, default=True
        Whether to download what the cache does not have; else that is an error.

    Returns
    -------
    folder : pathlib.Path
        A folder that exists.
    """
    path = Path(os.path.expanduser(model))  # leaves users that it does not know
    if path.is_dir():
        if revision is not None:
            raise ValueError(f"revision={revision!r} is for names on the hub; {str(model)!r} is a local folder.")
        return path
    if path.exists():
        raise NotADirectoryError(f"{str(model)!r} is a file. Give the folder that it lies in: {str(path.parent)!r}.")
    if not isinstance(model, str) or not _HUB_NAME.fullmatch(model):
        raise FileNotFoundError(
            f"There is no folder {str(model)!r}.{_nearest(path)} A pretrained model is a folder, a name on the Hugging "
            f"Face hub ('org/name'), or one of {', '.join(SHORT_NAMES)}."
        )
    if model in SHORT_NAMES:
        return _snapshot(SHORT_NAMES[model].hub_name, revision, fetch)
    if "/" not in model and (hint := did_you_mean(model, SHORT_NAMES)):
        raise ValueError(
            f"{model!r} is neither a folder nor a short name.{hint} Short names: {', '.join(SHORT_NAMES)}. Any other "
            "model of the Hugging Face hub is called by its full name, 'org/name'."
        )
    return _snapshot(model, revision, fetch)


def _nearest(path):
    """Return a sentence on what there is where a path ends to exist."""
    there = next((parent for parent in path.absolute().parents if parent.is_dir()), None)
    if there is None:
        return ""
    names = sorted(entry.name for entry in there.iterdir() if entry.is_dir())
    wanted = path.absolute().relative_to(there).parts[0]
    folders = f"has the folders {', '.join(names[:8])}{' …' if len(names) > 8 else ''}" if names else "has no folders"
    return f"{did_you_mean(wanted, names)} {str(there)!r} {folders}."


def _snapshot(name, revision, fetch):
    """Return the folder in the hub's cache, downloading what it lacks."""
    import_extra("huggingface_hub", "pretrained", f"The pretrained model {name!r}, which is no local folder,")
    from huggingface_hub import constants
    from huggingface_hub.errors import HTTPError

    try:
        folder = _fetch(name, revision, local_files_only=True)
        if _is_whole(folder):
            return folder
    except (OSError, ValueError):  # not in the cache, or not as a whole
        pass
    if not fetch:
        raise FileNotFoundError(f"the cache {constants.HF_HUB_CACHE!r} does not have {name!r}.")
    try:
        folder = _fetch(name, revision)
    except (OSError, ValueError, RuntimeError, HTTPError) as error:
        where = f"revision {revision!r} of {name!r}" if revision else repr(name)
        asked = (
            "the client is offline (HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE)"
            if constants.HF_HUB_OFFLINE
            else f"{constants.ENDPOINT} did not give it"
        )
        path = Path(name)
        hint = _nearest(path) if path.parent.is_dir() and "/" in name else ""
        raise OSError(
            f"The pretrained model {where} is no local folder, is not in the cache {constants.HF_HUB_CACHE!r}, and "
            f"{asked} ({type(error).__name__}: {' '.join(str(error).split())}). To do without the hub, download it "
            f"where there is a connection (hf download {name} --local-dir FOLDER), and give that folder.{hint}"
        ) from error
    weight_files(model_folder(folder))
    return folder


def _fetch(name, revision, local_files_only=False):
    from huggingface_hub import snapshot_download

    def fetch(patterns):
        return Path(
            snapshot_download(
                name,
                revision=revision,
                allow_patterns=patterns,
                ignore_patterns=_OTHER_FORMATS,
                local_files_only=local_files_only,
            )
        )

    folder = fetch(_FILES)
    if config_file(folder).name == OPEN_CLIP:  # many hold the same weights for transformers too, which are preferred
        folder = fetch([*_FILES, OPEN_CLIP_WEIGHTS[0]])
        return folder if (folder / OPEN_CLIP_WEIGHTS[0]).is_file() else fetch([*_FILES, *OPEN_CLIP_WEIGHTS])
    return folder if any(folder.rglob("*.safetensors")) else fetch(_FILES + _PICKLES)


def _is_whole(folder):
    """Return whether a folder of the cache has the model's files: downloads are interrupted."""
    model = model_folder(folder)
    return config_file(model).is_file() and bool(weight_files(model))
