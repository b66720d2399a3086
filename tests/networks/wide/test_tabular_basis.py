import torch

from sklearn_mm.networks.wide._tabular_basis import TabularBasis
from sklearn_mm.preprocessing import TabularSpec


def dense(terms, values, n_terms):
    return torch.zeros(len(terms), n_terms, dtype=values.dtype).scatter_add(1, terms, values)


def test_a_number_is_itself_and_its_steps_and_a_category_is_one_term():
    basis = TabularBasis(TabularSpec(shape=(), n_numbers=1, cardinalities=(3, 4)), max_terms=100)
    numbers = torch.linspace(0, 8, 401).view(-1, 1)
    basis.fit([{"numbers": numbers, "codes": torch.zeros(401, 2, dtype=torch.int32)}])
    assert basis.n_terms == 1 + 8 + 3 + 4
    row = dense(*basis({"numbers": torch.tensor([[2.5]]), "codes": torch.tensor([[2, 1]])}), 16)[0]
    assert row.tolist() == [2.5, 1, 1, 0.5, 0, 0, 0, 0, 0, *[0, 0, 1], *[0, 1, 0, 0]]


def test_few_rows_have_few_steps():
    basis = TabularBasis(TabularSpec(shape=(), n_numbers=1), max_terms=100)
    rows = {"numbers": torch.linspace(0, 1, 100).view(-1, 1), "codes": torch.zeros(100, 0, dtype=torch.int32)}
    basis.fit([rows])
    assert dense(*basis({"numbers": torch.tensor([[0.75]]), "codes": rows["codes"][:1]}), 9)[0].tolist() == [
        0.75,
        *[1, 0.5, 0, 0, 0, 0, 0, 0],
    ]


def test_steps_of_a_number_far_out_or_constant_stay_between_0_and_1():
    basis = TabularBasis(TabularSpec(shape=(), n_numbers=2), max_terms=100)
    numbers = torch.stack([torch.linspace(-1, 1, 200), torch.full((200,), 3.0)], 1)
    empty = torch.zeros(200, 0, dtype=torch.int32)
    basis.fit([{"numbers": numbers, "codes": empty}])
    _, values = basis({"numbers": torch.tensor([[1e6, 1e6], [-1e6, -1e6]]), "codes": empty[:2]})
    assert values.isfinite().all()
    assert values[:, 2:].min() >= 0
    assert values[:, 2:].max() <= 1
