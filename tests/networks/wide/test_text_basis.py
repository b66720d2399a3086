import numpy as np
import torch

from sklearn_mm.networks.wide._text_basis import TextBasis
from sklearn_mm.preprocessing import TextSpec


def dense(terms, values, n_terms):
    return torch.zeros(len(terms), n_terms, dtype=values.dtype).scatter_add(1, terms, values)


def test_a_text_is_its_distinct_tokens_by_rarity():
    basis = TextBasis(TextSpec(shape=(4,), vocab_size=6, tokenizer="word"), max_terms=100)
    basis.fit([torch.tensor([[2, 3, 2, 0], [2, 3, 0, 0]]), torch.tensor([[2, 4, 1, 0]])])
    idf = np.log(4 / np.array([4, 3, 2])) + 1  # of 2, in three of three rows, of 3, in two, and of 4, in one
    row = dense(*basis(torch.tensor([[3, 2, 3, 4, 1]])), 6).numpy()
    np.testing.assert_allclose(row[0, 2:5], idf / np.linalg.norm(idf), rtol=1e-6)
    assert row[0, [0, 1, 5]].tolist() == [0, 0, 0]


def test_what_no_row_has_does_not_count():
    basis = TextBasis(TextSpec(shape=(2,), vocab_size=6, tokenizer="word"), max_terms=100)
    basis.fit([torch.tensor([[2, 4], [2, 4]])])
    assert dense(*basis(torch.tensor([[3, 5]])), 6).abs().sum() == 0


def test_order_repeats_and_padding_do_not_matter():
    basis = TextBasis(TextSpec(shape=(6,), vocab_size=9, tokenizer="word"), max_terms=100)
    basis.fit([torch.tensor([[2, 3, 4, 5], [5, 4, 3, 2]])])
    first = dense(*basis(torch.tensor([[2, 3, 5]])), 9)
    torch.testing.assert_close(first, dense(*basis(torch.tensor([[5, 3, 3, 2, 2, 0]])), 9))


def test_only_the_most_frequent_ids_are_looked_at():
    basis = TextBasis(TextSpec(shape=(2,), vocab_size=1000, tokenizer="word"), max_terms=10)
    often = [[token, 900] for token in range(2, 11)]
    basis.fit([torch.tensor([*often, *often, [11, 12]])])
    assert basis.n_terms == 10
    row = dense(*basis(torch.tensor([[2, 900, 11, 12]])), 10)[0]
    assert (row > 0).tolist() == [True, *[False] * 8, True]


def test_words_and_parts_of_words_count_alike():
    basis = TextBasis(TextSpec(shape=(6,), vocab_size=9, tokenizer="ngram", n_word_ids=4), max_terms=100)
    basis.fit([torch.tensor([[2, 3, 4, 5, 6, 7]])])
    row = dense(*basis(torch.tensor([[2, 4, 5, 6, 7, 0], [3, 2, 0, 0, 0, 0]])), 9)
    torch.testing.assert_close(row[0], torch.tensor([0, 0, 1, 0, 0.5, 0.5, 0.5, 0.5, 0]) * 0.5**0.5)
    torch.testing.assert_close(row[1], torch.tensor([0, 0, 0.5, 0.5, 0, 0, 0, 0, 0]))


def test_special_tokens_do_not_count():
    plain = TextBasis(TextSpec(shape=(4,), vocab_size=9, tokenizer="custom"), max_terms=100)
    framed = TextBasis(TextSpec(shape=(6,), vocab_size=9, tokenizer="custom", special_ids=(2, 3)), max_terms=100)
    texts, rest = torch.tensor([[4, 5, 6, 4], [4, 7, 0, 0]]), torch.tensor([[3, 0], [0, 0]])
    plain.fit([texts])
    framed.fit([torch.cat([torch.tensor([[2], [2]]), texts, rest], 1)])  # the second is cut before its end
    bare, between = torch.tensor([[4, 7, 8, 0]]), torch.tensor([[2, 4, 7, 8, 3, 0]])
    torch.testing.assert_close(dense(*framed(between), 9), dense(*plain(bare), 9))
