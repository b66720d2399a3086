from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
import torch

from sklearn_mm.encoders import ModuleEncoder
from sklearn_mm.networks import SquaredErrorLoss, WideLinear
from sklearn_mm.networks.wide._wide_linear import resolve_wide
from sklearn_mm.preprocessing import Blocks, BlockSpec, ImageSpec, Ragged, TabularSpec, TextSpec
from sklearn_mm.training._dataset import BlockDataset

TEXT = TextSpec(name="title", shape=(4,), vocab_size=12, tokenizer="word")
TABLE = TabularSpec(name="tabular", shape=(), n_numbers=2, cardinalities=(4,))
IMAGE = ImageSpec(name="photo", shape=(4, 4, 3), mean=(0.5,) * 3, std=(0.2,) * 3)
FROZEN = replace(IMAGE, encoder=ModuleEncoder(torch.nn.Flatten(), trainable="none"))


def make_rows(n_rows=80, lists=False):
    """Texts of words 2 to 11 and a table, and a target that word 3 and the first number tell, but for some noise."""
    rng = np.random.default_rng(0)
    ids = rng.integers(2, 12, size=(n_rows, 4)).astype(np.int32)
    table = np.empty(n_rows, dtype=[("numbers", np.float32, (2,)), ("codes", np.int32, (1,))])
    table["numbers"], table["codes"] = rng.normal(size=(n_rows, 2)), rng.integers(2, 4, size=(n_rows, 1))
    y = 2 * (ids == 3).any(1) + table["numbers"][:, 0] + 0.1 * rng.normal(size=n_rows)
    texts = Ragged.from_counts(ids, np.ones(n_rows)) if lists else ids
    target = torch.from_numpy(y.astype(np.float32)).view(-1, 1)
    return BlockDataset(
        Blocks({"title": texts, "tabular": table}, {"title": TEXT, "tabular": TABLE}), target, torch.ones_like(target)
    )


def started(rows, **parameters):
    wide = WideLinear(**parameters).build(rows.blocks.specs, n_outputs=1)
    return wide, wide.start(rows, SquaredErrorLoss(), torch.Generator().manual_seed(0))


def outputs(wide, said, rows):
    return wide.of_present(said, torch.from_numpy(rows.blocks.present)).sum(1)


def explained(predicted, target):
    return 1 - ((predicted - target) ** 2).mean() / target.var(correction=0)


def test_it_says_nothing_before_it_is_started():
    rows = make_rows()
    wide = WideLinear().build(rows.blocks.specs, n_outputs=3)
    assert wide.says(rows).shape == (80, 3, 3)  # two blocks and the intercept
    assert not wide.says(rows).any()


def test_it_finds_what_is_linear_and_says_so_out_of_fold():
    rows = make_rows(200)
    wide, said = started(rows)
    assert said.shape == (200, 3, 1)
    inside = explained(outputs(wide, wide.says(rows), rows), rows.target)
    outside = explained(outputs(wide, said, rows), rows.target)
    assert 0.9 < outside < inside


def test_out_of_fold_it_knows_nothing_of_noise():
    rows = make_rows(100)
    rows.target = torch.randn(rows.target.shape, generator=torch.Generator().manual_seed(0))
    wide, said = started(rows)
    assert explained(outputs(wide, said, rows), rows.target) < 0.1


def test_nothing_is_said_of_what_is_absent():
    rows = make_rows()
    wide, _ = started(rows)
    whole = outputs(wide, wide.says(rows), rows)
    rows.blocks.present[:5, 0] = False
    missing = outputs(wide, wide.says(rows), rows)
    said = wide.says(rows)
    torch.testing.assert_close(missing[:5], said[:5, 1] + said[:5, 2])
    torch.testing.assert_close(missing[5:], whole[5:])


def test_the_design_is_what_forward_multiplies():
    rows = make_rows()
    wide, _ = started(rows)
    for place, (matrix, part) in enumerate(zip(wide._design(rows).parts, wide.parts, strict=True)):
        np.testing.assert_allclose(matrix @ part.weight.numpy(), wide.says(rows)[:, place].numpy(), atol=1e-5)


def test_pictures_are_seen_where_they_are_there():
    rng = np.random.default_rng(0)
    light = rng.integers(256, size=60)
    pictures = np.broadcast_to(light[:, np.newaxis, np.newaxis, np.newaxis], (60, 16, 16, 3)).astype(np.uint8)
    spec = replace(IMAGE, shape=(16, 16, 3))
    target = torch.from_numpy(light / 255).float().view(-1, 1)
    blocks = Blocks({"photo": pictures}, {"photo": spec})
    wide, _ = started(BlockDataset(blocks, target, torch.ones_like(target)))
    assert explained(wide.says(BlockDataset(blocks)).sum(1), target) > 0.95

    blank = Blocks({"photo": np.concatenate([pictures, 0 * pictures])}, {"photo": spec})
    blank.present[60:] = False
    rows = BlockDataset(blank, target.repeat(2, 1), torch.ones(120, 1))
    with_blank, _ = started(rows)
    torch.testing.assert_close(with_blank.parts[0].terms.mean, wide.parts[0].terms.mean)
    (design,) = with_blank._design(rows).parts
    assert design[:60].any()
    assert not design[60:].any()
    np.testing.assert_allclose(
        design[:60] @ with_blank.parts[0].weight.numpy(), with_blank.says(rows)[:60, 0].numpy(), atol=1e-5
    )


def test_a_list_of_one_text_is_the_text_and_of_two_their_mean():
    rows, lists = make_rows(), make_rows(lists=True)
    wide, said = started(rows)
    of_lists, said_of_lists = started(lists)
    torch.testing.assert_close(of_lists.says(lists), wide.says(rows))
    torch.testing.assert_close(said_of_lists, said)
    ids = lists.blocks["title"].items
    pairs = Ragged.from_counts(ids[:6], [2, 0, 1, 3])
    blocks = Blocks({"title": pairs, "tabular": rows.blocks["tabular"][:4]}, rows.blocks.specs)
    expected = wide.says(rows)[:6, 0]
    got = of_lists.says(BlockDataset(blocks))[:, 0]
    torch.testing.assert_close(got[0], expected[:2].mean(0))
    assert got[1] == 0
    torch.testing.assert_close(got[3], expected[3:6].mean(0))


def test_a_refit_is_a_fit_of_these_rows():
    rows = make_rows(120)
    some = BlockDataset(rows.blocks[:90], rows.target[:90], rows.weight[:90])
    wide, _ = started(some)
    before = wide.says(rows)
    wide.refit(rows, SquaredErrorLoss())
    after = wide.says(rows)
    assert not torch.allclose(before, after)
    assert explained(outputs(wide, after, rows)[90:], rows.target[90:]) > explained(
        outputs(wide, before, rows)[90:], rows.target[90:]
    )


def make_ratings(n_rows=400):
    """Rows of eight words, and a rating of 1 to 5 that good and bad ones tell, up to its ends."""
    rng = np.random.default_rng(0)
    ids = rng.integers(2, 12, size=(n_rows, 8)).astype(np.int32)
    balance = (ids < 4).sum(1) - (ids > 9).sum(1)
    spec = TextSpec(name="title", shape=(8,), vocab_size=12, tokenizer="word")
    target = torch.from_numpy(np.clip(3 + 2 * balance, 1, 5).astype(np.float32)).view(-1, 1)
    return BlockDataset(Blocks({"title": ids}, {"title": spec}), target, torch.ones_like(target))


def test_a_number_of_few_values_is_a_mean_of_these():
    rows = make_ratings()
    levels = SquaredErrorLoss().build(1).levels(rows.target.numpy())
    assert levels.tolist() == [1, 3, 5]
    wide = WideLinear().build(rows.blocks.specs, n_outputs=1, levels=levels)
    said = wide.start(rows, SquaredErrorLoss(), torch.Generator().manual_seed(0))
    assert said.shape == (400, 2, 3)
    shares = said.sum(1).exp()
    means = (shares * torch.tensor([1.0, 3.0, 5.0])).sum(1) / shares.sum(1)
    torch.testing.assert_close(wide.outputs(said), means.unsqueeze(1))

    straight, straight_said = started(rows)
    assert straight_said.shape == (400, 2, 1)
    assert explained(wide.outputs(said), rows.target) > explained(straight.outputs(straight_said), rows.target) + 0.02
    assert 1 <= wide.outputs(said).min() <= wide.outputs(said).max() <= 5 < straight.outputs(straight_said).max()


def test_the_penalty_of_levels_is_that_of_the_best_means():
    rows = make_ratings(100)
    rows.target[:15] = 6 - rows.target[:15]  # so noisy that more than a little penalty pays
    levels = np.float32([1, 3, 5])
    wide = WideLinear().build(rows.blocks.specs, n_outputs=1, levels=levels)
    said = wide.start(rows, SquaredErrorLoss(), torch.Generator().manual_seed(0))
    chosen = (wide.outputs(said) - rows.target).square().mean()
    for other in (wide.settings.alpha * 4, wide.settings.alpha / 4):
        only = {"_LEAST_ALPHA": other, "_MOST_ALPHA": other}
        with mock.patch.multiple("sklearn_mm.networks.wide._cross_fitting", **only):
            said = wide.says_out_of_fold(rows, SquaredErrorLoss(), torch.Generator().manual_seed(0))
        assert chosen <= (wide.outputs(said) - rows.target).square().mean() * 1.001


def test_a_value_that_is_no_level_counts_as_the_nearest():
    rows = make_ratings()
    wide = WideLinear().build(rows.blocks.specs, n_outputs=1, levels=np.float32([1, 3, 5]))
    wide.start(rows, SquaredErrorLoss(), torch.Generator().manual_seed(0))
    weight = wide.parts[0].weight.clone()
    rows.target[rows.target == 5] = 7.0
    wide.refit(rows, SquaredErrorLoss())
    torch.testing.assert_close(wide.parts[0].weight, weight, atol=0.05, rtol=0.05)


def test_equal_rows_leave_it_at_zero():
    rows = make_rows(8)
    same = BlockDataset(rows.blocks[[0] * 8], rows.target, rows.weight)
    wide, said = started(same)
    assert not said.any()
    wide.refit(same, SquaredErrorLoss())
    assert not wide.says(same).any()


@pytest.mark.parametrize(
    ("specs", "has"),
    [
        ({"photo": IMAGE, "title": TEXT, "tabular": TABLE}, True),
        ({"title": TEXT}, True),
        ({"photo": IMAGE}, True),
        ({"photo": FROZEN, "title": TEXT}, True),
        ({"photo": FROZEN}, False),
        ({"sound": BlockSpec(kind="audio", name="sound", shape=(4,))}, False),
    ],
)
@pytest.mark.parametrize("wide", ["auto", "linear", WideLinear()])
def test_there_is_one_for_blocks_that_it_sees(wide, specs, has):
    assert (resolve_wide(wide, specs) is not None) == has
    assert resolve_wide(None, specs) is None


def test_pictures_with_a_frozen_encoder_are_left_to_it():
    wide = WideLinear().build({"photo": FROZEN, "title": TEXT}, n_outputs=1)
    assert (wide.names, wide.columns) == (["title"], [1])


@pytest.mark.parametrize("specs", [{"title": TEXT}, {"photo": IMAGE}, {"photo": FROZEN}])
def test_unknown_names_are_refused(specs):
    with pytest.raises(ValueError, match=r"Unknown wide part 'linaer'\. Did you mean 'linear'"):
        resolve_wide("linaer", specs)
