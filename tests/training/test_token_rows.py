import numpy as np
import pytest

from sklearn_mm.training._token_rows import TokenRows, cut_tokens, lengths_of, page_type


@pytest.fixture(params=[8, 300, 2000], ids=lambda width: f"{page_type(width)['mask'].shape[0]} tokens a page")
def padded(request):
    """Tokens (7, 33, width) and mask of rows of 33, 5, 0, 16, 1, 4 and 9 tokens, with a hole in the first."""
    lengths = np.array([33, 5, 0, 16, 1, 4, 9])
    mask = (np.arange(33) < lengths[:, np.newaxis]).astype(np.float32)
    mask[0, 10] = 0
    tokens = np.random.default_rng(0).normal(size=(7, 33, request.param)).astype(np.float32)
    return tokens, mask, lengths


@pytest.fixture
def rows(padded):
    tokens, mask, lengths = padded
    np.testing.assert_array_equal(lengths_of(mask), lengths)
    pooled = np.zeros(7, dtype=[("pooled", "<f4", (2,))])
    pooled["pooled"] = np.arange(7)[:, np.newaxis]
    return TokenRows(pooled, cut_tokens(tokens, mask, lengths_of(mask), page_type(tokens.shape[2])))


def test_pages_are_of_some_kilobytes():
    assert [page_type(width)["mask"].shape[0] for width in (1, 128, 256, 387, 768, 5000)] == [16, 16, 8, 4, 4, 4]


def test_no_page_is_empty(rows, padded):
    length = page_type(padded[0].shape[2])["mask"].shape[0]
    np.testing.assert_array_equal(rows.pages.counts, -(-padded[2] // length))


@pytest.mark.parametrize(
    "key",
    [slice(None), slice(1, 3), slice(2, 3), [4, 2, 0, 4], np.arange(7) % 2 == 0, np.array([], dtype=int)],
    ids=repr,
)
def test_rows_are_padded_to_the_longest_of_them(rows, padded, key):
    tokens, mask, lengths = padded
    some = rows[key].padded()
    longest = max(1, lengths[key].max(initial=0))
    assert some["tokens"].shape[1] == some["mask"].shape[1] == longest
    np.testing.assert_array_equal(some["mask"], mask[key][:, :longest] > 0)
    np.testing.assert_array_equal(some["tokens"][some["mask"]], tokens[key][:, :longest][some["mask"]])
    np.testing.assert_array_equal(some["pooled"][:, 0], np.arange(7)[key])
    assert len(rows[key]) == len(some["pooled"])
