"""How a text model was fed, from its folder: the tokenizer, its special tokens, and the longest row."""

import json
from functools import lru_cache
from pathlib import Path

from tokenizers import Tokenizer, normalizers

from sklearn_mm.utils._optional import import_extra
from sklearn_mm.utils._tokenizers import read_tokenizer

__all__ = ["longest_text", "n_positions", "pads_to_full_length", "text_reading"]

_LONGEST = 512  # of models without a bound of their own, such as T5, whose positions are relative
_NO_BOUND = 10**6  # from there on a bound is said to be none: transformers writes 10**30
# Their table of positions begins with unused rows, up to that of the padding token (fairseq's way).
_PADDED_POSITIONS = {
    "camembert", "data2vec-text", "esm", "ibert", "lilt", "longformer", "luke", "mpnet", "roberta",
    "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod",
}  # fmt: skip
_BERT_SWITCHES = {
    "do_lower_case": "lowercase",
    "strip_accents": "strip_accents",
    "tokenize_chinese_chars": "handle_chinese_chars",
}


def text_reading(folder, *, long_texts="truncate"):
    """Return how texts are read for a pretrained model.

    Parameters
    ----------
    folder : str or path
        Of transformers or sentence-transformers.
    long_texts : {"truncate", "chunk"}, default="truncate"
        As of `TextTransformer`.

    Returns
    -------
    reading : dict
        Parameters of `TextTransformer`. The tokenizer is the same object for all who ask, and not to be changed.
    """
    folder = Path(folder)
    sentence = _read_json(folder / "sentence_bert_config.json")
    folder = _transformer_folder(folder)
    sentence = sentence or _read_json(folder / "sentence_bert_config.json")
    return {
        "tokenizer": _tokenizer_of(folder),
        "special_tokens": True,
        "lowercase": bool(sentence.get("do_lower_case", False)),
        "strip_accents": False,
        "stop_words": None,
        "pos_tags": None,
        "max_length": _max_length(folder, sentence),
        "long_texts": long_texts,
    }


def pads_to_full_length(folder):
    """Return whether a text model saw rows padded to the full length, without a mask, as SigLIP's does.

    Parameters
    ----------
    folder : str or path
        Of transformers.

    Returns
    -------
    is_padded : bool
        True: rows are to be padded to ``max_length`` with the model's own padding token, which counts.
    """
    return str(_read_json(Path(folder) / "config.json").get("model_type", "")).startswith("siglip")


def _max_length(folder, sentence):
    """Return the number of tokens of the longest row, special ones included: the least that any of the files says."""
    positions = _n_positions(folder)
    own = _bound(_read_json(folder / "tokenizer_config.json").get("model_max_length"))
    longest = min(_bound(sentence.get("max_seq_length")), own, positions)
    return _LONGEST if longest > _NO_BOUND / 2 else int(longest)


def longest_text(folder):
    """Return how many tokens the positions of a text model suffice for, special ones included; None for any number.

    Parameters
    ----------
    folder : str or path
        Of transformers or sentence-transformers.
    """
    n_positions = _n_positions(_transformer_folder(Path(folder)))
    return None if n_positions > _NO_BOUND / 2 else n_positions


def _n_positions(folder):
    config = _read_json(folder / "config.json")
    return n_positions(config.get("text_config") or config)


def n_positions(config):
    """Return how many tokens the positions of a model suffice for, by its configuration; a very large number for any.

    Parameters
    ----------
    config : dict
        As in config.json.
    """
    positions = min(_bound(config.get("max_position_embeddings")), _bound(config.get("n_positions")))
    if config.get("model_type") in _PADDED_POSITIONS:
        padding = config.get("pad_token_id")
        positions -= 2 if padding is None else padding + 1
    return positions


def _bound(value):
    """Return a bound of lengths from a file; a very large number where it is none."""
    return value if isinstance(value, int | float) and 0 < value < _NO_BOUND else _NO_BOUND


def _transformer_folder(folder):
    """Return where the transformer lies: sentence-transformers may put it into a folder that modules.json names."""
    modules = _read_json(folder / "modules.json", list)
    paths = [folder / str(module.get("path", "")) for module in modules if isinstance(module, dict)]
    return next((path for path in paths if (path / "config.json").is_file()), folder)


def _tokenizer_of(folder):
    file, config_file = folder / "tokenizer.json", folder / "tokenizer_config.json"
    if not file.is_file():
        return _converted(str(folder), tuple((path.name, *_version(path)) for path in sorted(folder.glob("*"))))
    tokenizer, config = read_tokenizer(file), _read_json(config_file)
    if _unlike(tokenizer, config):
        return _adapted(str(file), _version(file), str(config_file), _version(config_file))
    return tokenizer


def _unlike(tokenizer, config):
    """Return what BERT's normaliser is set to in tokenizer_config.json, which acts, and not in tokenizer.json."""
    normalizer = tokenizer.normalizer
    if not isinstance(normalizer, normalizers.BertNormalizer):
        return {}
    said = {name: config[key] for key, name in _BERT_SWITCHES.items() if key in config}
    return {name: value for name, value in said.items() if getattr(normalizer, name) != value}


@lru_cache(maxsize=8)
def _adapted(file, version, config_file, config_version):
    tokenizer = Tokenizer.from_file(file)
    for name, value in _unlike(tokenizer, _read_json(Path(config_file))).items():
        normalizer = tokenizer.normalizer
        setattr(normalizer, name, value)
        tokenizer.normalizer = normalizer
    return tokenizer


@lru_cache(maxsize=8)
def _converted(folder, files):
    """Return the tokenizer that transformers makes of other files: vocab.txt, merges.txt, a sentencepiece model."""
    transformers = import_extra("transformers", "pretrained", f"The tokenizer of {folder!r}, without tokenizer.json,")
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # of any kind: the files may be those of anything
        raise ValueError(
            f"PretrainedEncoder finds no tokenizer in {folder!r}: there is no tokenizer.json, and transformers cannot "
            f"make one of the other files ({type(error).__name__}: {error}). Save one there: "
            f"tokenizer.save_pretrained(folder)."
        ) from error
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if not isinstance(backend, Tokenizer):
        raise ValueError(
            f"PretrainedEncoder needs a tokenizer of the library tokenizers, but that of {folder!r} is a "
            f"{type(tokenizer).__name__} without one. Save a model whose tokenizer is fast (is_fast=True)."
        )
    return backend


def _version(path):
    """Return what changes when a file does."""
    if not path.is_file():
        return ()
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


def _read_json(path, kind=dict):
    """Return what a JSON file holds; nothing where it is not there."""
    if not path.is_file():
        return kind()
    try:
        content = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"PretrainedEncoder cannot read {str(path)!r}: {error}. It must be JSON.") from error
    if not isinstance(content, kind):
        raise ValueError(f"PretrainedEncoder needs a {kind.__name__} in {str(path)!r}, got a {type(content).__name__}.")
    return content
