"""Texts to words with their part-of-speech tags, by a spaCy pipeline or a callable."""

import functools
import os
from collections.abc import Iterable, Mapping

from sklearn_mm.utils._optional import import_extra

__all__ = ["PosTagger", "join_tags"]

# spaCy's components on which no part-of-speech tag depends. The parser is not among them: rules read its relations.
_NOT_NEEDED = {
    "edit_tree_lemmatizer",
    "entity_linker",
    "entity_ruler",
    "future_entity_ruler",
    "lemmatizer",
    "ner",
    "span_finder",
    "span_ruler",
    "spancat",
    "spancat_singlelabel",
    "textcat",
    "textcat_multilabel",
    "trainable_lemmatizer",
}


class PosTagger:
    """Split texts into words, and say what part of speech each is.

    Parameters
    ----------
    source : str, path, spacy.Language or callable
        As ``pos_tags`` of `TextTransformer`. Of a name, a pickle holds the name alone.
    spell : callable
        Brings each word, after it was tagged, into the spelling of the vocabulary.
    stop_words : iterable of str
        Words to leave out, whatever their tag, in any spelling.
    """

    def __init__(self, source, spell, stop_words):
        self.source = source
        self.spell = spell
        self.stop_words = frozenset(map(spell, stop_words))

    def __call__(self, texts):
        """Return a list of pairs (word, tag) for each of a list of texts."""
        if isinstance(self.source, (str, os.PathLike)):
            tagged_texts = _tag(_load(os.fspath(self.source)), texts)
        elif hasattr(self.source, "select_pipes"):  # spaCy's Language, whose class need not be imported to know it
            tagged_texts = _tag(self.source, texts)
        else:
            tagged_texts = (_call(self.source, text) for text in texts)
        return [self._clean(tagged) for tagged in tagged_texts]

    def _clean(self, tagged):
        spelt = ((self.spell(word).strip(), tag) for word, tag in tagged)
        return [(word, tag) for word, tag in spelt if word and word not in self.stop_words]


def join_tags(tagged):
    """Return the words of one tagged text with their tags: "run_VERB"."""
    return [f"{word}_{tag}" for word, tag in tagged]


@functools.lru_cache(maxsize=4)  # a pipeline takes a second to load, and each fold and candidate wants it
def _load(name):
    spacy = import_extra("spacy", "pos", f"TextTransformer(pos_tags={name!r})")
    try:
        pipeline = spacy.load(name)
    except OSError as error:
        installed = ", ".join(map(repr, spacy.util.get_installed_models())) or "none"
        raise ValueError(
            f"TextTransformer cannot load the spaCy pipeline {name!r} that pos_tags names: {error} Installed "
            f"pipelines: {installed}. spaCy's own are installed by: python -m spacy download {name}"
        ) from error
    pipeline.select_pipes(disable=_not_needed(pipeline))
    return pipeline


def _not_needed(pipeline):
    return [name for name in pipeline.pipe_names if pipeline.get_pipe_meta(name).factory in _NOT_NEEDED]


def _tag(pipeline, texts):
    with pipeline.select_pipes(disable=_not_needed(pipeline)):
        for doc in pipeline.pipe(texts):
            tagged = [(token.text, token.pos_ or token.tag_) for token in doc]
            if tagged and not any(tag for _, tag in tagged):
                raise ValueError(
                    f"TextTransformer needs pos_tags that tag, but the spaCy pipeline {pipeline.meta['name']!r} with "
                    f"the components {pipeline.pipe_names} gives no part of speech for {doc.text[:60]!r}. Take one "
                    f"with a tagger or a morphologizer."
                )
            yield tagged


def _call(function, text):
    tagged = function(text)
    got = f"an object of type {type(tagged).__name__}"
    if isinstance(tagged, Iterable) and not isinstance(tagged, (str, bytes, Mapping)):
        tagged = list(tagged)
        bad = [pair for pair in tagged if not _is_pair_of_strings(pair)]
        if not bad:
            return tagged
        got = f"a list with the element {bad[0]!r}"
    name = getattr(function, "__qualname__", type(function).__name__)
    raise TypeError(
        f"TextTransformer needs pos_tags that return a list of pairs of str (token, tag) for a str, but {name} "
        f"returned {got} for {text[:60]!r}."
    )


def _is_pair_of_strings(pair):
    return isinstance(pair, (tuple, list)) and len(pair) == 2 and all(isinstance(part, str) for part in pair)
