"""Components that make up for hubs: held to the cosines less the heights that they stand for (CSLS)."""

import pytest
import torch
import torch.nn.functional as F

from sklearn_mm.networks._hub_components import HubComponents


def unit(n_rows, seed, width=6):
    return F.normalize(torch.randn(n_rows, width, generator=torch.Generator().manual_seed(seed)))


def nearness(vectors, bank, n_neighbors=10):
    """Return half of the mean cosine to the nearest ones of a bank, without the very nearest."""
    similarities = (vectors @ bank.T).sort(dim=1, descending=True).values
    return similarities[:, 1 : n_neighbors + 1].mean(1) / 2


def test_products_are_cosines_less_heights():
    bank, x, y = [unit(40, 0), unit(50, 1)], unit(7, 2), unit(8, 3)
    hubs = HubComponents(bank)
    of_x = nearness(x, bank[1]) - nearness(bank[0], bank[1]).mean()
    of_y = nearness(y, bank[0]) - nearness(bank[1], bank[0]).mean()
    lengths = [(1 + 0.25 + (heights / 0.5) ** 2).sqrt() for heights in (of_x, of_y)]
    expected = (x @ y.T - of_x.unsqueeze(1) - of_y) / lengths[0].unsqueeze(1) / lengths[1]
    found = hubs(0, x), hubs(1, y)
    torch.testing.assert_close(found[0] @ found[1].T, expected)
    torch.testing.assert_close(found[0].norm(dim=1), torch.ones(7))


def test_of_three_blocks_each_height_is_the_mean_over_the_others():
    bank, x, y = [unit(40, 0), unit(50, 1), unit(45, 2)], unit(7, 3), unit(8, 4)
    hubs = HubComponents(bank)
    of_x = (nearness(x, bank[1]) + nearness(x, bank[2])) / 2 - hubs.usual[0]
    of_y = (nearness(y, bank[0]) + nearness(y, bank[1])) / 2 - hubs.usual[2]
    first, second = hubs(0, x), hubs(2, y)
    constant = 0.25  # in the component of the block that is neither
    expected = x @ y.T - of_x.unsqueeze(1) - of_y + constant
    lengths = [(1 + 2 * 0.25 + (heights / 0.5) ** 2).sqrt() for heights in (of_x, of_y)]
    torch.testing.assert_close(first @ second.T, expected / lengths[0].unsqueeze(1) / lengths[1])


def test_a_hub_is_no_longer_near_to_everything():
    common = unit(1, 2, 24)
    queries, items = F.normalize(unit(60, 0, 24) + common), F.normalize(unit(60, 1, 24) + 0.6 * common)
    items[0] = common[0]  # a hub
    hubs = HubComponents([queries[:30], items])
    before = (queries[30:] @ items.T).argmax(1)
    after = (hubs(0, queries[30:]) @ hubs(1, items).T).argmax(1)
    assert (before == 0).float().mean() > 0.6
    assert (after == 0).float().mean() < 0.25


def test_a_training_row_is_no_higher_for_what_belongs_to_it():
    """A row of the bank has its own counterpart there, and is measured by the others alone."""
    bank = [unit(40, 0), unit(40, 0)]
    with_own, without = HubComponents(bank), HubComponents([bank[0], bank[1][1:]])
    heights = [-hubs._nearness(0, bank[0][:1]).item() for hubs in (with_own, without)]
    second = (bank[0][:1] @ bank[1].T).sort(descending=True).values[:, 1:12]
    assert heights[0] == pytest.approx(-second[:, :10].mean().item() / 2, abs=1e-6)
    assert heights[1] == pytest.approx(-second[:, 1:].mean().item() / 2, abs=1e-6)


@pytest.mark.parametrize("n_bank", [0, 1, 2])
def test_small_banks_give_numbers(n_bank):
    hubs = HubComponents([unit(n_bank, 0), unit(5, 1)])
    assert hubs(1, unit(3, 2)).isfinite().all()
    assert hubs(0, unit(3, 2)).isfinite().all()
