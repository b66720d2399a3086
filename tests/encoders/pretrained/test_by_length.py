"""Texts that are trained on in parts of like length are what they are together, with less padding."""

import numpy as np
import pytest
import torch

from sklearn_mm.encoders import Features, PretrainedEncoder
from sklearn_mm.encoders.pretrained import _by_length
from sklearn_mm.encoders.pretrained._by_length import by_length
from sklearn_mm.preprocessing import TextSpec


def some_rows(lengths, width=3):
    n_tokens = max(lengths)
    mask = torch.arange(n_tokens) < torch.as_tensor(lengths).unsqueeze(1)
    tokens = torch.randn(len(lengths), n_tokens, width, generator=torch.Generator().manual_seed(0))
    return {"pooled": torch.zeros(len(lengths), 2), "tokens": tokens * mask.unsqueeze(2), "mask": mask}


def noting(shapes):
    def encode(tensors):
        shapes.append(tensors["mask"].shape)
        return Features(tensors["tokens"].sum(1), tensors["tokens"], tensors["mask"])

    return encode


@pytest.mark.parametrize("lengths", [[40, 0, 3, 100] * 15, [0, 0, 90] * 20, [64] * 40], ids=["mixed", "empty", "equal"])
def test_rows_come_back_in_their_order(lengths):
    tensors, shapes = some_rows(lengths), []
    features = by_length(noting(shapes), tensors)
    torch.testing.assert_close(features.tokens, tensors["tokens"])
    torch.testing.assert_close(features.mask, tensors["mask"])
    torch.testing.assert_close(features.pooled, tensors["tokens"].sum(1))
    assert len(shapes) > 1


def test_two_thirds_of_the_padding_are_gone():
    lengths = np.random.default_rng(0).integers(10, 130, 64)
    shapes = []
    by_length(noting(shapes), some_rows(lengths))
    padding = sum(rows * tokens for rows, tokens in shapes) - lengths.sum()
    assert padding < (64 * lengths.max() - lengths.sum()) / 3


def test_few_tokens_are_not_parted():
    shapes = []
    by_length(noting(shapes), some_rows([10, 20] * 12))
    assert shapes == [(24, 20)]


@pytest.mark.parametrize("name", ["bert", "clip", "roberta", "siglip", "t5_encoder"])
@pytest.mark.parametrize("settings", [{"trainable": "all"}, {"trainable": "last", "n_layers": 1}], ids=["all", "last"])
def test_features_and_gradients_are_those_of_the_batch(name, settings, tiny_model, monkeypatch):
    pytest.importorskip("transformers", reason="transformers is not installed (the extra pretrained)")
    if name == "t5_encoder" and settings["trainable"] == "last":
        pytest.skip("its layers cannot be parted")
    spec = TextSpec(shape=(20,), vocab_size=50, tokenizer="custom")
    encoder = PretrainedEncoder(str(tiny_model(name)), **settings).for_kind("text").build(spec).eval()
    rng = np.random.default_rng(0)
    places, ends = np.arange(20), rng.integers(0, 20, (120, 1))
    ids = np.select([places < ends, places == ends], [rng.integers(3, 50, (120, 20)), 1])  # 1 ends the texts of some
    rows = encoder.prepare(torch.from_numpy(ids))

    calls, trained_part = [], encoder._trained_part
    monkeypatch.setattr(encoder, "_trained_part", lambda tensors: calls.append(1) or trained_part(tensors))

    def pooled_tokens_and_gradients():
        calls.clear()
        encoder.zero_grad()
        features = encoder(rows)
        (features.pooled @ torch.arange(features.pooled.shape[1]).float()).sum().backward()
        gradients = {key: weight.grad.clone() for key, weight in encoder.named_parameters() if weight.grad is not None}
        return features.pooled.detach(), (features.tokens * features.mask.unsqueeze(2)).detach(), gradients

    parted = pooled_tokens_and_gradients()
    assert len(calls) > 3
    monkeypatch.setattr(_by_length, "rows_at_once", lambda *args, **kwargs: len(rows))
    whole = pooled_tokens_and_gradients()
    assert len(calls) == 1
    assert whole[2]
    torch.testing.assert_close(parted, whole, rtol=1e-3, atol=1e-4)
