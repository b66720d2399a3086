import pytest
import torch

from sklearn_mm.utils._token_pooling import masked_max, masked_mean, pool_runs

TOKENS = torch.tensor([[[1.0, 2.0], [3.0, 6.0]]]).repeat(4, 1, 1)
MASK = torch.tensor([[True, True], [True, False], [False, True], [False, False]])


@pytest.mark.parametrize(
    ("pool", "of_both"), [(masked_mean, [2.0, 4.0]), (masked_max, [3.0, 6.0])], ids=["mean", "max"]
)
def test_only_what_is_there_counts(pool, of_both):
    expected = torch.tensor([of_both, [1.0, 2.0], [3.0, 6.0], [0.0, 0.0]])
    torch.testing.assert_close(pool(TOKENS, MASK), expected)
    torch.testing.assert_close(pool(TOKENS.masked_fill(~MASK.unsqueeze(2), torch.nan), MASK), expected)


def test_mean_of_groups_of_tokens():
    groups = TOKENS.unsqueeze(2).repeat(1, 1, 3, 1)  # (batch, n, 3, width)
    torch.testing.assert_close(masked_mean(groups, MASK), masked_mean(TOKENS, MASK).unsqueeze(1).repeat(1, 3, 1))


def test_runs_of_neighbours_become_one_token():
    tokens = torch.arange(7.0).view(1, 7, 1).repeat(4, 1, 1)
    mask = torch.tensor([[1, 1, 1, 1, 1, 1, 1], [1, 0, 1, 1, 0, 1, 1], [0, 1, 0, 0, 1, 0, 0], [0] * 7]).bool()
    pooled, there = pool_runs(tokens.masked_fill(~mask.unsqueeze(2), torch.nan), mask, 3)
    assert there.tolist() == [[True] * 3, [True] * 3, [True, True, False], [False] * 3]
    # 0 1 2 | 3 4 | 5 6, then 0 2 | 3 5 | 6, then 1 | 4, then nothing
    expected = [[1.0, 3.5, 5.5], [1.0, 4.0, 6.0], [1.0, 4.0, 0.0], [0.0, 0.0, 0.0]]
    torch.testing.assert_close(pooled.squeeze(2), torch.tensor(expected))
