"""What a checkpoint's folder holds: configuration, weight files, and the hash that tells it from others."""

import hashlib
import json
import re
from pathlib import Path, PureWindowsPath

from sklearn_mm.utils._registry import did_you_mean

__all__ = ["CheckpointError", "model_folder", "read_json", "weight_files", "weights_hash"]

WEIGHTS = ("model.safetensors", "pytorch_model.bin")  # the first that is there is read
OPEN_CLIP = "open_clip_config.json"
OPEN_CLIP_WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
_ACCEPTED = (
    f"Accepted are folders as save_pretrained of transformers or sentence-transformers writes them: config.json beside "
    f"{WEIGHTS[0]}, or {WEIGHTS[1]} that holds nothing but tensors, whole or in shards with their index; "
    f"those of timm alike; and of open_clip with {OPEN_CLIP} beside {' or '.join(OPEN_CLIP_WEIGHTS)}"
)
_known_hashes = {}  # by paths, sizes and times of the files


class CheckpointError(ValueError):
    """A folder cannot be loaded as a pretrained model.

    Parameters
    ----------
    folder : path-like
        The folder.
    found : str
        What is wrong with it.
    way_out : str
        What one can do.
    """

    def __init__(self, folder, found, way_out="Save or download the model again, or give another folder."):
        super().__init__(folder, found, way_out)  # all of them, so that it can be pickled
        self.found = found

    def __str__(self):
        folder, found, way_out = self.args
        return f"The pretrained model in {str(folder)!r} cannot be loaded: {found} {_ACCEPTED}. {way_out}"


def read_json(path):
    """Return what a JSON file holds, or raise `CheckpointError`."""
    path = Path(path)
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise CheckpointError(path.parent, f"there is no {path.name}, but {_listing(path.parent)}.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(path.parent, f"{path.name} is no JSON file that can be read ({error}).") from error


def read_object(path):
    """Return the dict that a JSON file holds, or raise `CheckpointError`."""
    content = read_json(path)
    if not isinstance(content, dict):
        kind = type(content).__name__
        raise CheckpointError(Path(path).parent, f"{Path(path).name} holds a {kind} where a JSON object is expected.")
    return content


def model_folder(folder):
    """Return where a model of transformers lies: the folder, or for sentence-transformers that of the first module.

    Parameters
    ----------
    folder : path-like
        A folder as `find_folder` returns it.

    Returns
    -------
    folder : pathlib.Path
        The folder with ``config.json`` and the weights.
    """
    modules = module_folders(folder)
    return modules[0] if modules else Path(folder)


def module_folders(folder):
    """Return the folders of the modules of a sentence-transformers model, in order; none for other models."""
    folder = Path(folder)
    if not (folder / "modules.json").is_file():
        return []
    modules = read_json(folder / "modules.json")
    if not (modules and isinstance(modules, list) and all(isinstance(m, dict) and "path" in m for m in modules)):
        raise CheckpointError(folder, "modules.json is no list of modules, each with its path.")
    names = [module["path"] for module in modules]
    return [folder / _inside(folder, name, "modules.json") if name else folder for name in names]


def config_file(folder):
    """Return the file that says what a network is: open_clip's if it is the only one, else config.json."""
    folder = Path(folder)
    is_open_clip = (folder / OPEN_CLIP).is_file() and not (folder / "config.json").is_file()
    return folder / (OPEN_CLIP if is_open_clip else "config.json")


def weight_files(folder):
    """Return the files that hold a model's weights: one, or the shards that the index names.

    Parameters
    ----------
    folder : path-like
        The folder with the configuration and the weights.

    Returns
    -------
    files : list of pathlib.Path
        Of one kind: all ``.safetensors`` or all ``.bin``.
    """
    folder = Path(folder)
    for name in OPEN_CLIP_WEIGHTS if config_file(folder).name == OPEN_CLIP else WEIGHTS:
        if (folder / name).is_file():
            return [folder / name]
        if (folder / f"{name}.index.json").is_file():
            return _shards(folder, f"{name}.index.json")
    raise CheckpointError(folder, f"there are no weights, but {_listing(folder)}.")


def _shards(folder, index):
    names = read_object(folder / index).get("weight_map")
    if not names or not isinstance(names, dict):
        raise CheckpointError(folder, f"{index} has no weight_map with the shard of each weight.")
    suffix = re.search(r"\.\w+(?=\.index)", index)[0]
    files = [folder / _inside(folder, name, index) for name in sorted(set(map(str, names.values())))]
    for file in files:
        if file.suffix != suffix:
            raise CheckpointError(folder, f"{index} names {file.name!r}, which is no {suffix} file.")
        if not file.is_file():
            hint = did_you_mean(file.name, [path.name for path in folder.iterdir()])
            raise CheckpointError(folder, f"{index} names the shard {file.name!r}, which is not there.{hint}")
    return files


def _inside(folder, name, source):
    """Return the name of a file or folder directly below ``folder``; whatever leads elsewhere is refused."""
    if not isinstance(name, str) or name in ("", ".", "..") or PureWindowsPath(name).name != name:
        raise CheckpointError(folder, f"{source} names {name!r}, which does not lie directly in the folder.")
    return name


def _listing(folder, most=8):
    if not folder.is_dir():
        return "no such folder either"
    names = sorted(path.name for path in folder.iterdir())
    return (", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")) or "nothing"


def weights_hash(folder):
    """Return a hash of what a pretrained model computes with: its configuration and the bytes of its weights.

    A copy elsewhere has the same hash. Files are read again when their size or time of change differs.

    Parameters
    ----------
    folder : path-like
        A folder as `find_folder` returns it.

    Returns
    -------
    hash : str
        SHA-256 in hexadecimal.
    """
    folder = Path(folder).resolve()
    files = sorted(_files_that_count(folder))
    key = file_stamps(files)
    if key not in _known_hashes:
        whole = hashlib.sha256()
        for file in files:
            with file.open("rb") as content:
                whole.update(f"{file.relative_to(folder).as_posix()}\0".encode())
                whole.update(hashlib.file_digest(content, "sha256").digest())
        _known_hashes[key] = whole.hexdigest()
    return _known_hashes[key]


def file_stamps(files):
    """Return what changes whenever one of the files is written anew: paths, sizes and times of change."""
    return tuple((str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files)


def _files_that_count(folder):
    model = model_folder(folder)
    yield from {config_file(model), *weight_files(model)}
    modules = module_folders(folder)
    if modules:
        yield folder / "modules.json"
    for module in set(modules) - {model}:
        yield from (file for file in (module / name for name in ("config.json", *WEIGHTS)) if file.is_file())
