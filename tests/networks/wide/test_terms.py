import numpy as np
import pytest
import torch

from sklearn_mm.networks.wide._terms import has_terms, make_terms
from sklearn_mm.preprocessing import BlockSpec, ImageSpec, TabularSpec, TextSpec


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
    often = [[token, 900] for token in range(2, 11)]
    terms.start([torch.tensor([*often, *often, [11, 12]])])
    assert terms.n_terms == 10
    row = dense(*terms(torch.tensor([[2, 900, 11, 12]])), 10)[0]
    assert (row > 0).tolist() == [True, *[False] * 8, True]


def test_words_and_parts_of_words_count_alike():
    terms = make_terms(TextSpec(shape=(6,), vocab_size=9, tokenizer="ngram", n_word_ids=4), most=100)
    terms.start([torch.tensor([[2, 3, 4, 5, 6, 7]])])
    row = dense(*terms(torch.tensor([[2, 4, 5, 6, 7, 0], [3, 2, 0, 0, 0, 0]])), 9)
    torch.testing.assert_close(row[0], torch.tensor([0, 0, 1, 0, 0.5, 0.5, 0.5, 0.5, 0]) * 0.5**0.5)
    torch.testing.assert_close(row[1], torch.tensor([0, 0, 0.5, 0.5, 0, 0, 0, 0, 0]))


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


def picture_terms(pictures):
    """Return the terms of pictures, started with these, and their values: edges, pixels and colours."""
    spec = ImageSpec(shape=tuple(pictures.shape[1:]), mean=(0.5,), std=(0.2,))
    terms = make_terms(spec, most=100)
    terms.start([pictures[:5], pictures[5:]])
    which, values = terms(pictures)
    assert (which == torch.arange(terms.n_terms)).all()
    return terms, values.split(terms.widths, dim=1)


@pytest.mark.parametrize("shape", [(40, 50, 3), (8, 8, 1), (5, 6, 3), (33, 32, 4)])
def test_edges_pixels_and_colours_of_pictures_weigh_the_same(shape):
    pictures = torch.randint(0, 256, (12, *shape), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    _, parts = picture_terms(pictures)
    for values in parts:
        torch.testing.assert_close(values.mean(0), torch.zeros(values.shape[1]), atol=1e-5, rtol=0)
        assert values.square().sum(1).mean() == pytest.approx(0.35**2, rel=1e-3)


def test_edges_are_told_by_their_direction_and_place_and_not_by_their_strength():
    step = (torch.arange(32) >= 16).byte().view(1, 32, 1)
    upright = (step * 200).expand(32, 32, 3)
    level, faint, elsewhere = upright.transpose(0, 1), upright // 4 + 50, upright.roll(8, 1)
    pictures = torch.stack([upright, level, faint, elsewhere, *[torch.zeros_like(upright)] * 8])
    _, (edges, _, _) = picture_terms(pictures)
    distance = torch.cdist(edges[:4], edges[:4])[0]
    assert distance[2] < 0.1 * min(distance[1], distance[3])


def test_pixels_are_means_and_colours_are_shares():
    pictures = torch.zeros(2, 32, 32, 3, dtype=torch.uint8)
    pictures[0, :16, :, 0] = 255  # above red, below black
    pictures[1, :, :8, 0] = 255
    terms, _ = picture_terms(pictures)
    _, pixels, colours = terms._values(pictures).split(terms.widths, dim=1)
    assert pixels.view(2, 3, 8, 8)[0, 0].mean(1).tolist() == [1] * 4 + [0] * 4
    assert pixels.view(2, 3, 8, 8)[1, 0].mean(0).tolist() == [1] * 2 + [0] * 6
    shares = colours.square().sort(descending=True).values[:, :3]
    torch.testing.assert_close(shares, torch.tensor([[0.5, 0.5, 0], [0.75, 0.25, 0]]))


def test_pictures_that_are_all_equal_say_nothing():
    _, parts = picture_terms(torch.full((9, 16, 16, 3), 77, dtype=torch.uint8))
    assert all(values.abs().max() < 1e-3 for values in parts)


def test_a_picture_of_one_pixel_is_taken():
    _, parts = picture_terms(torch.arange(9, dtype=torch.uint8).view(9, 1, 1, 1) * 20)
    assert all(values.isfinite().all() for values in parts)


def test_no_picture_at_all_says_nothing():
    terms = make_terms(ImageSpec(shape=(8, 8, 3), mean=(0.5,), std=(0.2,)), most=100)
    terms.start([torch.zeros(0, 8, 8, 3, dtype=torch.uint8)])
    assert not terms(torch.ones(2, 8, 8, 3, dtype=torch.uint8))[1].any()


def test_other_blocks_have_none():
    assert not has_terms(BlockSpec(kind="scent", shape=(3,)))
