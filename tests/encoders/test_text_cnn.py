import pytest
import torch

from sklearn_mm.encoders import TextCNNEncoder
from sklearn_mm.preprocessing import TextSpec

SPEC = TextSpec(shape=(9,), vocab_size=20, tokenizer="word")
IDS = torch.tensor([[3, 4, 5, 0, 0, 0, 0, 0, 0], [6, 0, 0, 0, 0, 0, 0, 0, 0], [1, 2, 3, 4, 5, 6, 7, 8, 9]])


def by_hand():
    """Words are worth the number of their id; a filter of two words that subtracts the second from twice the first."""
    encoder = TextCNNEncoder(embedding_dim=1, kernel_sizes=(2, 1), n_filters=1).build(SPEC).eval()
    with torch.no_grad():
        encoder.embedding.weight.copy_(torch.arange(20.0).unsqueeze(1))
        encoder.convolutions[0].weight.copy_(torch.tensor([[[2.0, -1.0]]]))
        encoder.convolutions[0].bias.fill_(0.5)
        encoder.convolutions[1].weight.fill_(1.0)
        encoder.convolutions[1].bias.fill_(-4.0)
    return encoder


def test_by_hand():
    pooled, tokens, mask = by_hand()(torch.tensor([[3, 7, 2, 0], [5, 0, 0, 0], [0, 0, 0, 0]]))
    # first row, filter of two: -3, 6 - 7, 14 - 2, 4, each plus a half; of one: -1, 3, -2
    torch.testing.assert_close(pooled, torch.tensor([[12.5, 3.0], [10.5, 1.0], [0.0, 0.0]]))
    torch.testing.assert_close(tokens[0], torch.tensor([[0.0, 0.0], [12.5, 3.0], [4.5, 0.0], [0.0, 0.0]]))
    assert mask.sum(1).tolist() == [3, 1, 0]


def test_filters_that_meet_padding_alone_do_not_count():
    encoder = by_hand()
    with torch.no_grad():
        encoder.convolutions[0].bias.fill_(100.0)  # what padding alone would give
        encoder.convolutions[0].weight.fill_(-30.0)
        pooled = encoder(torch.tensor([[3, 4, 0, 0, 0]])).pooled
    assert pooled[0, 0] == 100 - 30 * 3  # at the edge; in padding it would be 100


@pytest.mark.parametrize("length", [1, 2, 9])
def test_texts_shorter_than_the_filters(length):
    encoder = TextCNNEncoder(6, kernel_sizes=(3, 4, 12), n_filters=5).build(SPEC).eval()
    with torch.no_grad():
        pooled, tokens, _ = encoder(IDS[1:2, :length])
        expected = encoder(IDS)
    assert tokens.shape == (1, length, 15)
    torch.testing.assert_close(pooled[0], expected.pooled[1])
    assert pooled.any()


def test_order_matters_to_filters_of_several_words():
    for kernel_sizes, matters in {(1,): False, (2,): True}.items():
        encoder = TextCNNEncoder(6, kernel_sizes=kernel_sizes, n_filters=5).build(SPEC).eval()
        with torch.no_grad():
            pooled = encoder(torch.tensor([[3, 4, 5], [5, 4, 3]])).pooled
        assert torch.allclose(pooled[0], pooled[1]) != matters


def test_it_can_be_exported():
    encoder = TextCNNEncoder(4, n_filters=3).build(SPEC).eval()
    dims = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length", min=2)}
    program = torch.export.export(encoder, (IDS,), dynamic_shapes=(dims,))
    more = torch.cat([IDS, IDS.flip(0)])[:, :5]
    with torch.no_grad():
        torch.testing.assert_close(tuple(program.module()(more)), tuple(encoder(more)))


@pytest.mark.parametrize("params", [{"kernel_sizes": ()}, {"kernel_sizes": (3, 0)}, {"n_filters": 0}, {"dropout": 1.0}])
def test_senseless_parameters(params):
    with pytest.raises(ValueError, match="parameter of TextCNNEncoder must be"):
        TextCNNEncoder(**params)._validate_params()
