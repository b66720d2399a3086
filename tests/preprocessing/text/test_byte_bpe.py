"""Byte-pair encoding of bytes: nothing is unknown, and each string comes back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_mm.datasets import load_emoji
from sklearn_mm.preprocessing import TextTransformer

TEXTS = [
    "A dog runs.",
    "  two  spaces, a\ttab and\nlines \r\n",
    "Größe: 10 × 20 cm (½ l) — “quoted” …",
    "我们的狗在跑。東京タワーへ行きました！",
    "किताब ปลา ﬁ Å Å e\u0301",
    "👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽 ❤️",
    "[PAD] [UNK] <s></s> \u200b\ufeff \x00",
]


@pytest.fixture(scope="module")
def transformer():
    return TextTransformer("byte_bpe", lowercase=False, vocab_size=400, max_length=2000).fit(TEXTS[:3] * 3)


def there_and_back(transformer, texts):
    ids = transformer.transform(texts)
    assert not (ids == 1).any()
    return transformer.inverse_transform(ids).tolist()


def test_strings_come_back(transformer):
    assert there_and_back(transformer, TEXTS) == TEXTS


@given(st.lists(st.text(min_size=1).filter(str.strip), min_size=1, max_size=5))
@settings(max_examples=200, deadline=None)
def test_any_strings_come_back(transformer, texts):
    assert there_and_back(transformer, texts) == texts


@pytest.fixture(scope="module")
def emoji():
    return load_emoji(languages=["de", "zh", "ja"]).data


@pytest.mark.parametrize("column", ["text", "text_de", "text_zh", "text_ja"])
def test_names_of_emoji_come_back(column, emoji):
    names = emoji[column].dropna().tolist()
    fitted = TextTransformer("byte_bpe", lowercase=False, vocab_size=1000, max_length=200).fit(names[::2])
    assert there_and_back(fitted, names) == names
    assert fitted.spec_.vocab_size == 1000


def test_case_is_a_choice():
    assert TextTransformer("byte_bpe").fit(TEXTS).inverse_transform(
        TextTransformer("byte_bpe").fit(TEXTS).transform(["A Dog"])
    ).tolist() == ["a dog"]


def test_the_vocabulary_depends_on_the_texts_alone():
    here = TextTransformer("byte_bpe", vocab_size=300).fit(TEXTS).vocabulary_
    assert TextTransformer("byte_bpe", vocab_size=300).fit(TEXTS[::-1]).vocabulary_ == here


def test_each_byte_needs_an_id():
    assert TextTransformer("byte_bpe", vocab_size=258).fit(TEXTS).spec_.vocab_size == 258
    with pytest.raises(ValueError, match="vocab_size must be at least 258, got 100"):
        TextTransformer("byte_bpe", vocab_size=100).fit(TEXTS)


def test_what_is_no_text_is_marked(transformer):
    ids = transformer.transform(["狗"])[0]
    assert transformer.inverse_transform([ids[:2]]).tolist() == ["�"]
    assert np.count_nonzero(ids) == 3
