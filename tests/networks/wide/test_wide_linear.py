from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
import torch

from sklearn_mm.encoders import ModuleEncoder
from sklearn_mm.networks import CrossEntropyLoss, SquaredErrorLoss, WideLinear
from sklearn_mm.networks.wide import resolve_wide
from sklearn_mm.preprocessing import Blocks, BlockSpec, ImageSpec, Ragged, TabularSpec, TextSpec, VectorSpec
from sklearn_mm.training._dataset import BlockDataset

TEXT = TextSpec(name="title", shape=(4,), vocab_size=12, tokenizer="word")
TABLE = TabularSpec(name="tabular", shape=(), n_numbers=2, cardinalities=(4,))
IMAGE = ImageSpec(name="photo", shape=(4, 4, 3), mean=(0.5,) * 3, std=(0.2,) * 3)
LOSS = SquaredErrorLoss().build(1)
SOUND = BlockSpec(kind="audio", name="sound", shape=(4,))
FROZEN_SOUND = replace(SOUND, encoder=ModuleEncoder(torch.nn.Flatten(), width=4))
FROZEN = replace(IMAGE, encoder=ModuleEncoder(torch.nn.Flatten(), trainable="none"))


class WithoutLevels(SquaredErrorLoss):
    """Squared error of a number that is no rating, however few values it has."""

    def levels(self, target):
        """Return None."""


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


def fitted(rows, loss=LOSS, **parameters):
    wide = WideLinear(**parameters).build(rows.blocks.specs, loss, rows.target.numpy())
    return wide, wide.fit(rows, loss, torch.Generator().manual_seed(0))


def outputs(wide, scores, rows):
    return wide.outputs(wide.mask_absent(scores, torch.from_numpy(rows.blocks.present)))


def explained(predicted, target):
    return 1 - ((predicted - target) ** 2).mean() / target.var(correction=0)


def test_scores_are_zero_before_a_fit():
    rows = make_rows()
    wide = WideLinear().build(rows.blocks.specs, SquaredErrorLoss().build(3), np.zeros((80, 3)))
    assert wide.predict(rows).shape == (80, 3, 3)  # two blocks and the intercept
    assert not wide.predict(rows).any()


def test_it_finds_what_is_linear_and_predicts_it_out_of_fold():
    rows = make_rows(199)
    wide, scores = fitted(rows)
    assert scores.shape == (199, 3, 1)
    inside = explained(outputs(wide, wide.predict(rows), rows), rows.target)
    outside = explained(outputs(wide, scores, rows), rows.target)
    assert 0.9 < outside < inside


@pytest.mark.parametrize("title", [TEXT, VectorSpec(kind="text", name="title", shape=(3,))], ids=["ids", "vectors"])
def test_what_frozen_features_of_a_text_say_alone(title):
    rows = make_rows(400)
    vectors = {"title": torch.randn(400, 3, generator=torch.Generator().manual_seed(0))}
    good = vectors["title"][:, :1]
    rows = replace(rows, target=rows.target + good)
    wide = WideLinear().build({**rows.blocks.specs, "title": title}, LOSS, rows.target.numpy(), {"title": 3})
    assert wide.alone.names == ["title"]
    scores = wide.fit(rows, LOSS, torch.Generator().manual_seed(0), vectors=vectors)
    said = scores[:, -2]  # the last are of the trees
    assert 0.2 < explained(said, rows.target) < 0.75  # and nothing of the table
    assert torch.corrcoef(torch.cat([said, good], 1).T)[0, 1] > 0.6
    before = wide.predict(rows, vectors)
    wide.refit(rows, LOSS, vectors=vectors)
    torch.testing.assert_close(wide.predict(rows, vectors), before, atol=0.05, rtol=0)


def test_trees_join_what_several_blocks_say_alone_without_a_table():
    rng = np.random.default_rng(0)
    texts = {name: rng.integers(2, 12, size=(3001, 4)).astype(np.int32) for name in ("title", "body")}
    has_word = [(ids < 4).any(1) for ids in texts.values()]
    target = torch.from_numpy((4 * (has_word[0] & has_word[1]) + rng.normal(size=3001)).astype(np.float32)).view(-1, 1)

    def some(n_rows, *names):
        blocks = Blocks(
            {name: texts[name][:n_rows] for name in names}, {name: replace(TEXT, name=name) for name in names}
        )
        return BlockDataset(blocks, target[:n_rows], torch.ones(n_rows, 1))

    rows = some(900, "title", "body")
    errors = []
    for trees in (True, False):
        wide, scores = fitted(rows, trees=trees)
        assert wide.alone.names == (["title", "body"] if trees else [])
        errors.append((outputs(wide, scores, rows) - rows.target).square().mean().item())
    assert errors[0] < 1.2 < 1.3 < errors[1]  # the noise is 1
    for others in (some(3001, "title", "body"), some(900, "title")):
        assert not WideLinear().build(others.blocks.specs, LOSS, others.target.numpy()).has_trees


def test_out_of_fold_it_knows_nothing_of_noise():
    rows = make_rows(100)
    rows = replace(rows, target=torch.randn(rows.target.shape, generator=torch.Generator().manual_seed(0)))
    wide, scores = fitted(rows)
    assert explained(outputs(wide, scores, rows), rows.target) < 0.1


def test_absent_blocks_have_no_score():
    rows = make_rows()
    wide, _ = fitted(rows)
    whole = outputs(wide, wide.predict(rows), rows)
    rows.blocks.present[:5, 0] = False
    missing = outputs(wide, wide.predict(rows), rows)
    scores = wide.predict(rows)
    torch.testing.assert_close(missing[:5], scores[:5, 1] + scores[:5, 2])
    torch.testing.assert_close(missing[5:], whole[5:])


def test_rows_are_hidden_whole_and_drawn_anew():
    wide, scores = fitted(make_rows(400), hidden_share=0.25)
    torch.manual_seed(0)
    first, second = wide.hide(scores + 1), wide.hide(scores + 1)
    hidden = (first == 0).flatten(1)
    assert (hidden.all(1) | ~hidden.any(1)).all()
    assert 0.15 < hidden.all(1).float().mean() < 0.35
    assert not torch.equal(first, second)
    torch.testing.assert_close(first[~hidden.all(1)], (scores + 1)[~hidden.all(1)])


@pytest.mark.parametrize(
    ("loss", "hidden_share", "grouped", "tuned", "hidden", "share"),
    [
        (CrossEntropyLoss().build([0, 1]), "auto", True, False, 0.5, 0.5),
        (CrossEntropyLoss().build([0, 1]), "auto", False, True, 0.5, 0.5),
        (CrossEntropyLoss().build([0, 1]), "auto", False, False, 0.0, 0.25),
        (CrossEntropyLoss().build([0, 1]), 0.1, False, False, 0.1, 0.25),
        (CrossEntropyLoss().build([0, 1]), 1.0, False, False, 1.0, 0.5),
        (WithoutLevels().build(1), "auto", True, False, 0.0, 1.0),
        (WithoutLevels().build(1), "auto", False, True, 1.0, 0.5),
        (WithoutLevels().build(1), 0.0, False, True, 0.0, 1.0),
    ],
)
def test_how_many_rows_are_hidden_and_how_much_is_added(loss, hidden_share, grouped, tuned, hidden, share):
    rows = make_rows()
    rows = replace(rows, target=(rows.target > 1).float(), groups=np.arange(80) // 4 if grouped else None)
    wide = WideLinear(hidden_share=hidden_share).build(rows.blocks.specs, loss, rows.target.numpy(), tuned=tuned)
    wide.fit(rows, loss, torch.Generator().manual_seed(0))
    assert wide.hidden == hidden
    assert wide.initial_share(loss) == share


def test_the_design_is_what_forward_multiplies():
    rows = make_rows()
    wide, _ = fitted(rows)
    for place, (matrix, model) in enumerate(zip(wide._design(rows).blocks, wide.models, strict=True)):
        np.testing.assert_allclose(matrix @ model.weight.numpy(), wide.predict(rows)[:, place].numpy(), atol=1e-5)


def test_pictures_are_seen_where_they_are_there():
    rng = np.random.default_rng(0)
    light = rng.integers(256, size=60)
    pictures = np.broadcast_to(light[:, np.newaxis, np.newaxis, np.newaxis], (60, 16, 16, 3)).astype(np.uint8)
    spec = replace(IMAGE, shape=(16, 16, 3))
    target = torch.from_numpy(light / 255).float().view(-1, 1)
    blocks = Blocks({"photo": pictures}, {"photo": spec})
    wide, _ = fitted(BlockDataset(blocks, target, torch.ones_like(target)))
    assert explained(wide.predict(BlockDataset(blocks)).sum(1), target) > 0.95

    blank = Blocks({"photo": np.concatenate([pictures, 0 * pictures])}, {"photo": spec})
    blank.present[60:] = False
    rows = BlockDataset(blank, target.repeat(2, 1), torch.ones(120, 1))
    with_blank, _ = fitted(rows)
    torch.testing.assert_close(with_blank.models[0].basis.mean, wide.models[0].basis.mean)
    (design,) = with_blank._design(rows).blocks
    assert design[:60].any()
    assert not design[60:].any()
    np.testing.assert_allclose(
        design[:60] @ with_blank.models[0].weight.numpy(), with_blank.predict(rows)[:60, 0].numpy(), atol=1e-5
    )


def test_a_list_of_one_text_is_the_text_and_of_two_their_mean():
    rows, lists = make_rows(), make_rows(lists=True)
    wide, scores = fitted(rows)
    of_lists, out_of_fold_of_lists = fitted(lists)
    torch.testing.assert_close(of_lists.predict(lists), wide.predict(rows))
    torch.testing.assert_close(out_of_fold_of_lists, scores)
    ids = lists.blocks["title"].items
    pairs = Ragged.from_counts(ids[:6], [2, 0, 1, 3])
    blocks = Blocks({"title": pairs, "tabular": rows.blocks["tabular"][:4]}, rows.blocks.specs)
    expected = wide.predict(rows)[:6, 0]
    got = of_lists.predict(BlockDataset(blocks))[:, 0]
    torch.testing.assert_close(got[0], expected[:2].mean(0))
    assert got[1] == 0
    torch.testing.assert_close(got[3], expected[3:6].mean(0))


def test_a_refit_is_a_fit_of_these_rows():
    rows = make_rows(120)
    some = BlockDataset(rows.blocks[:90], rows.target[:90], rows.weight[:90])
    wide, _ = fitted(some)
    before = wide.predict(rows)
    wide.refit(rows, LOSS)
    after = wide.predict(rows)
    assert not torch.allclose(before, after)
    assert explained(outputs(wide, after, rows)[90:], rows.target[90:]) > explained(
        outputs(wide, before, rows)[90:], rows.target[90:]
    )


def test_a_refit_on_the_way_to_predictions_out_of_fold_is_a_refit(monkeypatch):
    rows = make_rows(120)
    some = BlockDataset(rows.blocks[:90], rows.target[:90], rows.weight[:90])
    (first, _), (second, _) = fitted(some), fitted(some)
    first.refit(rows, LOSS)
    expected = first.cross_predict(rows, LOSS, torch.Generator().manual_seed(1))
    n_designs, design = [], WideLinear._design
    monkeypatch.setattr(WideLinear, "_design", lambda *rows: n_designs.append(1) or design(*rows))
    out_of_fold = second.cross_predict(rows, LOSS, torch.Generator().manual_seed(1), refit=True)
    assert torch.equal(out_of_fold, expected)
    assert torch.equal(second.predict(rows), first.predict(rows))
    assert len(n_designs) == 1


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
    wide, scores = fitted(rows)
    assert wide.levels.tolist() == [1, 3, 5]
    assert scores.shape == (400, 2, 3)
    shares = scores.sum(1).exp()
    means = (shares * torch.tensor([1.0, 3.0, 5.0])).sum(1) / shares.sum(1)
    torch.testing.assert_close(wide.outputs(scores), means.unsqueeze(1))

    straight, straight_scores = fitted(rows, WithoutLevels().build(1))
    assert straight_scores.shape == (400, 2, 1)
    assert (
        explained(wide.outputs(scores), rows.target) > explained(straight.outputs(straight_scores), rows.target) + 0.02
    )
    assert 1 <= wide.outputs(scores).min() <= wide.outputs(scores).max() <= 5 < straight.outputs(straight_scores).max()


def test_the_penalty_of_levels_is_that_of_the_best_means():
    rows = make_ratings(100)
    rows.target[:15] = 6 - rows.target[:15]  # so noisy that more than a little penalty pays
    wide, scores = fitted(rows)
    chosen = (wide.outputs(scores) - rows.target).square().mean()
    for other in (wide.settings.alpha * 4, wide.settings.alpha / 4):
        only = {"_MIN_ALPHA": other, "_MAX_ALPHA": other}
        with mock.patch.multiple("sklearn_mm.networks.wide._cross_fitting", **only):
            scores = wide.cross_predict(rows, LOSS, torch.Generator().manual_seed(0))
        assert chosen <= (wide.outputs(scores) - rows.target).square().mean() * 1.001


def test_a_value_that_is_no_level_counts_as_the_nearest():
    rows = make_ratings()
    wide, _ = fitted(rows)
    weight = wide.models[0].weight.clone()
    rows.target[rows.target == 5] = 7.0
    wide.refit(rows, LOSS)
    torch.testing.assert_close(wide.models[0].weight, weight, atol=0.05, rtol=0.05)


def test_equal_rows_leave_it_at_zero():
    rows = make_rows(8)
    same = BlockDataset(rows.blocks[[0] * 8], rows.target, rows.weight)
    wide, scores = fitted(same)
    assert not scores.any()
    wide.refit(same, LOSS)
    assert not wide.predict(same).any()


@pytest.mark.parametrize(
    ("specs", "has"),
    [
        ({"photo": IMAGE, "title": TEXT, "tabular": TABLE}, True),
        ({"title": TEXT}, True),
        ({"photo": IMAGE}, True),
        ({"photo": FROZEN, "title": TEXT}, True),
        ({"photo": FROZEN}, True),
        ({"sound": FROZEN_SOUND}, True),
        ({"sound": replace(FROZEN_SOUND, encoder=ModuleEncoder(torch.nn.Flatten(), "all"))}, False),
        ({"sound": SOUND}, False),
    ],
)
@pytest.mark.parametrize("wide", ["auto", "linear", WideLinear()])
def test_there_is_one_for_blocks_that_it_sees(wide, specs, has):
    assert (resolve_wide(wide, specs) is not None) == has
    assert resolve_wide(None, specs) is None


def test_pictures_with_a_frozen_encoder_are_seen_beside_their_features():
    wide = WideLinear().build({"photo": FROZEN, "title": TEXT}, LOSS, np.zeros((1, 1)), {"photo": 48})
    assert (wide.block_names, wide.feature_names, wide.columns) == (["photo", "title"], ["photo"], [0, 1, 0])


@pytest.mark.parametrize("specs", [{"title": TEXT}, {"photo": IMAGE}, {"photo": FROZEN}])
def test_unknown_names_are_refused(specs):
    with pytest.raises(ValueError, match=r"Unknown wide part 'linaer'\. Did you mean 'linear'"):
        resolve_wide("linaer", specs)
