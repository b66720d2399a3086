"""The checks must catch what they are there for: each of these parts breaks one promise."""

from numbers import Integral

import pytest
import torch
import torch.nn as nn

from sklearn_mm.encoders import Encoder, Features, ImageEncoder, TextEncoder
from sklearn_mm.fusion import Fusion, SumFusion
from sklearn_mm.preprocessing import BlockSpec
from sklearn_mm.testing._component_checks import example_spec
from sklearn_mm.utils._validation import Interval
from sklearn_mm.utils.estimator_checks import check_encoder, check_fusion


class GoodEncoder(TextEncoder):
    """Mean of embeddings: keeps every promise."""

    _parameter_constraints = {"width": [Interval(Integral, 1, None, closed="left")]}

    def __init__(self, width=8):
        self.width = width

    def build(self, spec):
        self.embedding = nn.Embedding(spec.vocab_size, self.width, padding_idx=0)
        self.out_features = self.token_features = self.width
        return self

    def forward(self, x):
        mask = x != 0
        tokens = self.embedding(x)
        return Features(tokens.sum(1) / mask.sum(1, keepdim=True).clamp(min=1), tokens, mask)


class ChangesItsParameter(GoodEncoder):
    def __init__(self, width=8):
        self.width = width + 0.5


class TakesAnyParameter(GoodEncoder):
    _parameter_constraints = {"width": [object]}


class HasNoConstraint(GoodEncoder):
    _parameter_constraints = {}


class BuildChangesParameters(GoodEncoder):
    def build(self, spec):
        super().build(spec)
        self.width = self.width + 1
        return self


class BuildReturnsNothing(GoodEncoder):
    def build(self, spec):
        super().build(spec)


class HidesATensor(GoodEncoder):
    def build(self, spec):
        self.shift = torch.randn(())
        return super().build(spec)


class ForgetsWhatIsNoTensor(GoodEncoder):
    def build(self, spec):
        self.shift = torch.rand(1).item()
        return super().build(spec)

    def forward(self, x):
        features = super().forward(x)
        return features._replace(pooled=features.pooled + self.shift)


class IsRandom(GoodEncoder):
    def forward(self, x):
        features = super().forward(x)
        return features._replace(pooled=nn.functional.dropout(features.pooled))


class ChangesItsInput(GoodEncoder):
    def prepare(self, x):
        return x.clamp_(max=5).long()


class MixesRows(GoodEncoder):
    def forward(self, x):
        features = super().forward(x)
        return features._replace(pooled=features.pooled - features.pooled.mean(0))


class HasAUselessLayer(GoodEncoder):
    def build(self, spec):
        self.useless = nn.Linear(2, 2)
        return super().build(spec)


class DividesByZero(GoodEncoder):
    def forward(self, x):
        features = super().forward(x)
        total = features.tokens.sum(1)
        return features._replace(pooled=total / features.mask.sum(1, keepdim=True))


class CountsPadding(GoodEncoder):
    def forward(self, x):
        features = super().forward(x)
        return features._replace(pooled=features.tokens.mean(1))


class MisstatesItsWidth(GoodEncoder):
    def build(self, spec):
        super().build(spec)
        self.token_features = self.out_features + 1
        return self


class HasAFloatMask(GoodEncoder):
    def forward(self, x):
        features = super().forward(x)
        return features._replace(mask=features.mask.float())


class Stuck(GoodEncoder):
    def forward(self, x):
        features = super().forward(x)
        return features._replace(pooled=features.pooled.detach() * 1e-6)


class AsksForWhatIsNotThere(GoodEncoder):
    reading = {"tokeniser": "word"}


class RequiresAString(GoodEncoder):
    required_reading = "tokenizer"


class RequiresWhatItDoesNotAskFor(GoodEncoder):
    required_reading = ("lowercase",)


def test_a_good_encoder_passes_and_leaves_the_random_state():
    state = torch.get_rng_state()
    check_encoder(GoodEncoder())
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        (ChangesItsParameter(), "cannot be cloned"),
        (TakesAnyParameter(), "_validate_params takes width=<"),
        (HasNoConstraint(), "no entry for 'width'"),
        (BuildChangesParameters(), "`build` changes parameters"),
        (BuildReturnsNothing(), "does not return the component"),
        (HidesATensor(), "the tensor 'shift' is neither"),
        (ForgetsWhatIsNoTensor(), "state_dict changes"),
        (IsRandom(), "torch's random state is changed"),
        (ChangesItsInput(), "its input is changed"),
        (MixesRows(), "leaving out rows changes a row"),
        (HasAUselessLayer(), "no gradient reaches useless.weight"),
        (DividesByZero(), "not finite"),
        (CountsPadding(), "padding changes the features"),
        (MisstatesItsWidth(), "`token_features` is not the width"),
        (HasAFloatMask(), "`mask` is torch.float32"),
        (Stuck(), "by chance it is"),
        (AsksForWhatIsNotThere(), "`reading` names 'tokeniser'; the transformer has"),
        (RequiresAString(), "`required_reading` is a str"),
        (RequiresWhatItDoesNotAskFor(), "`required_reading` names 'lowercase', which is not in `reading`"),
        (GoodEncoder().build(example_spec("text")), "give one that is not built"),
    ],
    ids=lambda case: type(case).__name__ if isinstance(case, Encoder) else "",
)
def test_what_breaks_a_promise_of_encoders(encoder, message):
    with pytest.raises(AssertionError, match=message):
        check_encoder(encoder)


class Smell(Encoder):
    """Reads a kind of its own, stored as integers."""

    kind = "scent"

    def build(self, spec):
        self.layer = nn.Embedding(5, 6)
        self.out_features = self.token_features = 6
        return self

    def forward(self, x):
        tokens = self.layer(x.long())
        return Features(tokens.mean(1), tokens, torch.ones(tokens.shape[:2], dtype=torch.bool))


def test_encoders_of_other_kinds_need_a_spec_and_may_bring_rows():
    with pytest.raises(
        ValueError, match=r"No example is known for blocks of kind 'scent'\. Pass spec=.*`example_spec`"
    ):
        check_encoder(Smell())
    rows = torch.randint(5, (16, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    check_encoder(Smell(), BlockSpec(kind="scent", shape=(4,)), rows)


class FlatEncoder(ImageEncoder):
    """As if trained elsewhere, on grey pictures of one size."""

    reading = {"size": (8, 12), "color": "L", "mean": 0.5, "std": (0.25,)}
    required_reading = ("size", "color")

    def build(self, spec):
        super().build(spec)
        assert (spec.shape, spec.mean, spec.std) == ((8, 12, 1), (0.5,), (0.25,))
        self.layer = nn.Linear(8 * 12, 4)
        self.out_features = self.token_features = 4
        return self

    def forward(self, x):
        pooled = self.layer(self.normalise(x).flatten(1))
        return Features(pooled, pooled.unsqueeze(1), pooled.new_ones(len(x), 1).bool())


def test_encoders_are_checked_on_blocks_that_are_read_as_they_ask():
    check_encoder(FlatEncoder())
    spec = example_spec("image")
    assert spec.read_with({}) == spec
    assert spec.read_with({"size": "auto", "mean": "imagenet", "color": "L"}).shape == (*spec.shape[:2], 1)
    texts = example_spec("text")
    assert texts.read_with({}) == texts
    read = texts.read_with({"tokenizer": str.split, "max_length": 3})
    assert (read.shape, read.tokenizer) == ((3,), "custom")
    table = example_spec("tabular")
    assert table.read_with({"scaling": "quantile"}) is table


class GoodFusion(SumFusion):
    pass


class IgnoresPresence(SumFusion):
    def forward(self, features, present):
        return super().forward(features, torch.ones_like(present))


class ReadsMaskedTokens(SumFusion):
    def forward(self, features, present):
        fused = super().forward(features, present)
        return fused + sum(f.tokens.sum((1, 2)) for f in features.values()).unsqueeze(1)


class IsDeafToTheSecondBlock(Fusion):
    def build(self, widths, n_outputs, token_widths=None):
        self.layer = nn.Linear(next(iter(widths.values())), 4)
        self.out_features = 4
        return self

    def forward(self, features, present):
        return self.layer(next(iter(features.values())).pooled) * present[:, :1]


class DividesByZeroBlocks(SumFusion):
    def forward(self, features, present):
        return super().forward(features, present) / present.sum(1, keepdim=True)


class MisstatesTheFusedWidth(SumFusion):
    def build(self, widths, n_outputs, token_widths=None):
        super().build(widths, n_outputs, token_widths)
        self.out_features += 1
        return self

    def forward(self, features, present):
        fused = super().forward(features, present)
        return torch.cat([fused, fused[:, :1], fused[:, :1]], 1)


class GivesOutputsOfAnotherWidth(SumFusion):
    gives_outputs = True


def test_a_good_fusion_passes_and_leaves_the_random_state():
    state = torch.get_rng_state()
    check_fusion(GoodFusion(width=5))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("fusion", "message"),
    [
        (IgnoresPresence(), "an absent block changes the result"),
        (ReadsMaskedTokens(), "masked tokens change the result|an absent block changes"),
        (IsDeafToTheSecondBlock(), "the block 'text' changes nothing"),
        (DividesByZeroBlocks(), "not finite|differ by nan"),
        (MisstatesTheFusedWidth(), "the fused vector has shape|mat1 and mat2"),
        (GivesOutputsOfAnotherWidth(), "`out_features` is not `n_outputs`"),
    ],
    ids=lambda case: type(case).__name__ if isinstance(case, Fusion) else "",
)
def test_what_breaks_a_promise_of_fusions(fusion, message):
    with pytest.raises(AssertionError, match=message):
        check_fusion(fusion)
