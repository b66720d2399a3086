"""How open_clip reads texts, as a tokenizer of the library `tokenizers`: its own byte pairs, or that of the folder."""

import unicodedata
from functools import lru_cache

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

from sklearn_mm.encoders.pretrained._folders import OPEN_CLIP, CheckpointError, read_object
from sklearn_mm.utils._optional import import_beside_torchvision
from sklearn_mm.utils._tokenizers import content_of, read_tokenizer

__all__ = ["open_clip_text_reading", "padding_id"]

_CONTEXT_LENGTH = 77  # where the configuration does not say
_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
_START, _END = "<start_of_text>", "<end_of_text>"
_ONE_SPACE = [normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
# What open_clip mends by ftfy, letter by letter: forms of other widths, ligatures of print, and quotation marks.
_OTHER_FORMS = [*range(0xFF01, 0xFFF0), *range(0xFB00, 0xFB07), 0x3000]
_PLAIN = {chr(code): unicodedata.normalize("NFKC", chr(code)) for code in _OTHER_FORMS}
_MENDED = [
    *[normalizers.Replace(form, plain) for form, plain in _PLAIN.items() if form != plain],
    normalizers.Replace(Regex("[\u02bc\u2018-\u201b]"), "'"),
    normalizers.Replace(Regex("[\u201c-\u201f]"), '"'),
    normalizers.NFC(),
]
_CLEANING = {  # wrong encodings and HTML entities, which open_clip mends as well, are read as they are
    "whitespace": [*_MENDED, *_ONE_SPACE],
    "lower": [*_MENDED, *_ONE_SPACE, normalizers.Lowercase()],
    "canonicalize": [
        *_MENDED,
        normalizers.Replace("_", " "),
        normalizers.Replace(Regex(r"[!-/:-@\[-`{-~]"), ""),
        normalizers.Lowercase(),
        *_ONE_SPACE,
    ],
}


def open_clip_text_reading(folder, text_cfg, long_texts="truncate"):
    """Return how texts are read for a model of open_clip.

    Parameters
    ----------
    folder : pathlib.Path
        The model's.
    text_cfg : dict
        Of its configuration.
    long_texts : {"truncate", "chunk"}, default="truncate"
        As of `TextTransformer`.

    Returns
    -------
    reading : dict
        Parameters of `TextTransformer`.
    """
    settings = dict(text_cfg.get("tokenizer_kwargs") or {})
    is_own = not text_cfg.get("hf_tokenizer_name")
    clean = settings.pop("clean", "lower" if is_own else "whitespace")
    if settings or text_cfg.get("tokenizer_mode") or clean not in _CLEANING:
        raise CheckpointError(
            folder,
            f"{OPEN_CLIP} asks for a tokenizer with {settings or text_cfg.get('tokenizer_mode') or clean!r}, which is "
            "not known here.",
            "Hand in a TextTransformer that reads as the model wants it.",
        )
    return {
        "tokenizer": _own_tokenizer(clean)
        if is_own
        else _cleaned(content_of(read_tokenizer(folder / "tokenizer.json")), clean),
        "special_tokens": True,
        "lowercase": False,
        "strip_accents": False,
        "stop_words": None,
        "pos_tags": None,
        "max_length": text_cfg.get("context_length", _CONTEXT_LENGTH),
        "long_texts": long_texts,
    }


def padding_id(folder, text_cfg):
    """Return what open_clip pads rows with: 0, or the padding token of the folder's tokenizer."""
    if not text_cfg.get("hf_tokenizer_name"):
        return 0
    token = read_object(folder / "tokenizer_config.json").get("pad_token")
    token = token["content"] if isinstance(token, dict) else token
    found = None if token is None else read_tokenizer(folder / "tokenizer.json").token_to_id(token)
    if found is None:
        raise CheckpointError(folder, f"tokenizer_config.json names {token!r} for padding, which is no token.")
    return found


@lru_cache(maxsize=8)
def _own_tokenizer(clean):
    """Return what open_clip's SimpleTokenizer does: the byte pairs of CLIP between a start and an end."""
    simple = import_beside_torchvision(
        "open_clip", "open_clip_torch", "The tokenizer of a model of open_clip"
    ).SimpleTokenizer()
    merges = sorted(simple.bpe_ranks, key=simple.bpe_ranks.get)
    tokenizer = Tokenizer(models.BPE(simple.encoder, merges, end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Sequence(_CLEANING[clean])
    words = pre_tokenizers.Split(Regex(_WORDS), behavior="removed", invert=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [words, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.add_special_tokens([AddedToken(token, normalized=True, special=True) for token in (_START, _END)])
    ends = [(token, tokenizer.token_to_id(token)) for token in (_START, _END)]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{_START} $A {_END}", special_tokens=ends)
    return tokenizer


@lru_cache(maxsize=8)
def _cleaned(content, clean):
    """Return a tokenizer for texts that are cleaned before."""
    tokenizer = Tokenizer.from_str(content.text)
    own = [] if tokenizer.normalizer is None else [tokenizer.normalizer]
    tokenizer.normalizer = normalizers.Sequence([*_CLEANING[clean], *own])
    return tokenizer
