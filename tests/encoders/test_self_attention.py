import pytest
import torch

from sklearn_mm.encoders import SelfAttentionEncoder
from sklearn_mm.preprocessing import TextSpec

SPEC = TextSpec(shape=(9,), vocab_size=20, tokenizer="word")
IDS = torch.tensor([[3, 4, 5, 0, 0, 0, 0, 0, 0], [6, 0, 0, 0, 0, 0, 0, 0, 0], [1, 2, 3, 4, 5, 6, 7, 8, 9]])


def small(**params):
    return SelfAttentionEncoder(**{"width": 8, "n_layers": 1, "n_heads": 2, **params}).build(SPEC)


def test_order_matters():
    encoder = small().eval()
    with torch.no_grad():
        pooled = encoder(torch.tensor([[3, 4, 5], [5, 4, 3]])).pooled
    assert not torch.allclose(pooled[0], pooled[1], atol=1e-4)


def test_tokens_depend_on_the_others_of_their_row_alone():
    encoder = small().eval()
    with torch.no_grad():
        tokens = encoder(torch.tensor([[3, 4, 5], [3, 4, 6], [7, 8, 9]])).tokens
        alone = encoder(torch.tensor([[3, 4, 5]])).tokens
    assert not torch.allclose(tokens[0, 0], tokens[1, 0], atol=1e-4)
    torch.testing.assert_close(tokens[:1], alone)


def test_longer_texts_than_in_fit_are_read():
    encoder = small().eval()
    assert encoder(torch.ones(2, 40, dtype=torch.long)).tokens.shape == (2, 40, 8)
    assert not encoder.fixed_length


@pytest.mark.skipif(torch.__version__.startswith("2.4."), reason="torch 2.4 cannot export a range of dynamic length")
@pytest.mark.parametrize("pool", ["mean", "max", "token"])
def test_it_can_be_exported(pool):
    encoder = small(pool=pool).eval()
    dims = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length", min=2)}
    program = torch.export.export(encoder, (IDS,), dynamic_shapes=(dims,))
    more = torch.cat([IDS, IDS.flip(0)])[:, :5]
    with torch.no_grad():
        torch.testing.assert_close(tuple(program.module()(more)), tuple(encoder(more)))


def test_dropout_acts_in_training_only():
    encoder = small(dropout=0.5)
    assert not torch.equal(encoder(IDS).pooled, encoder(IDS).pooled)
    encoder.eval()
    assert torch.equal(encoder(IDS).pooled, encoder(IDS).pooled)


@pytest.mark.parametrize("params", [{"width": 0}, {"n_heads": 1.5}, {"pool": "last"}, {"dropout": 1.0}])
def test_senseless_parameters(params):
    with pytest.raises(ValueError, match="parameter of SelfAttentionEncoder must be"):
        SelfAttentionEncoder(**params)._validate_params()
