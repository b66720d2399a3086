import numpy as np
import pytest
import torch

from sklearn_mm.networks._terms import make_terms
from sklearn_mm.preprocessing import BlockSpec, TabularSpec, TextSpec


def dense(terms, values, n_terms):
    return torch.zeros(len(terms), n_terms, dtype=values.dtype).scatter_add(1, terms, values)


def test_a_text_is_its_distinct_tokens_by_rarity():
    terms = make_terms(TextSpec(shape=(4,), vocab_size=6, tokenizer="word"), most=100)
    terms.start([torch.tensor([[2, 3, 2, 0], [2, 3, 0, 0]]), torch.tensor([[2, 4, 1, 0]])])
    idf = np.log(4 / np.array([4, 3, 2])) + 1  # of 2, in three of three rows, of 3, in two, and of 4, in one
    row = dense(*terms(torch.tensor([[3, 2, 3, 4, 1]])), 6).numpy()
    np.testing.assert_allclose(row[0, 2:5], idf / np.linalg.norm(idf), rtol=1e-6)
    assert row[0, [0, 1, 5]].tolist() == [0, 0, 0]


def test_what_no_row_has_does_not_count():
    terms = make_terms(TextSpec(shape=(2,), vocab_size=6, tokenizer="word"), most=100)
    terms.start([torch.tensor([[2, 4], [2, 4]])])
    assert dense(*terms(torch.tensor([[3, 5]])), 6).abs().sum() == 0


def test_order_repeats_and_padding_do_not_matter():
    terms = make_terms(TextSpec(shape=(6,), vocab_size=9, tokenizer="word"), most=100)
    terms.start([torch.tensor([[2, 3, 4, 5], [5, 4, 3, 2]])])
    first = dense(*terms(torch.tensor([[2, 3, 5]])), 9)
    torch.testing.assert_close(first, dense(*terms(torch.tensor([[5, 3, 3, 2, 2, 0]])), 9))


def test_only_the_most_frequent_ids_are_looked_at():
    terms = make_terms(TextSpec(shape=(2,), vocab_size=1000, tokenizer="word"), most=10)
    terms.start([torch.tensor([[2, 900], [2, 900]])])
    assert terms.n_terms == 10
    assert dense(*terms(torch.tensor([[2, 900]])), 10)[0].tolist() == [0, 0, 1, 0, 0, 0, 0, 0, 0, 0]


def test_a_number_is_itself_and_its_steps_and_a_category_is_one_term():
    terms = make_terms(TabularSpec(shape=(), n_numbers=1, cardinalities=(3, 4)), most=100)
    numbers = torch.linspace(0, 8, 401).view(-1, 1)
    terms.start([{"numbers": numbers, "codes": torch.zeros(401, 2, dtype=torch.int32)}])
    assert terms.n_terms == 1 + 8 + 3 + 4
    row = dense(*terms({"numbers": torch.tensor([[2.5]]), "codes": torch.tensor([[2, 1]])}), 16)[0]
    assert row.tolist() == [2.5, 1, 1, 0.5, 0, 0, 0, 0, 0, *[0, 0, 1], *[0, 1, 0, 0]]


def test_few_rows_have_few_steps():
    terms = make_terms(TabularSpec(shape=(), n_numbers=1), most=100)
    rows = {"numbers": torch.linspace(0, 1, 100).view(-1, 1), "codes": torch.zeros(100, 0, dtype=torch.int32)}
    terms.start([rows])
    assert dense(*terms({"numbers": torch.tensor([[0.75]]), "codes": rows["codes"][:1]}), 9)[0].tolist() == [
        0.75,
        *[1, 0.5, 0, 0, 0, 0, 0, 0],
    ]


def test_steps_of_a_number_far_out_or_constant_stay_between_0_and_1():
    terms = make_terms(TabularSpec(shape=(), n_numbers=2), most=100)
    numbers = torch.stack([torch.linspace(-1, 1, 200), torch.full((200,), 3.0)], 1)
    empty = torch.zeros(200, 0, dtype=torch.int32)
    terms.start([{"numbers": numbers, "codes": empty}])
    _, values = terms({"numbers": torch.tensor([[1e6, 1e6], [-1e6, -1e6]]), "codes": empty[:2]})
    assert values.isfinite().all()
    assert values[:, 2:].min() >= 0
    assert values[:, 2:].max() <= 1


@pytest.mark.parametrize("kind", ["image", "scent"])
def test_other_blocks_have_none(kind):
    assert make_terms(BlockSpec(kind=kind, shape=(3,)), most=100) is None
