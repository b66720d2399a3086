"""Searches write what those of transformers write, with the same network."""

import pytest
import torch
import torch.nn as nn

from sklearn_mm.decoders import BeamSearch, GreedySearch
from sklearn_mm.decoders._writer import Limits, Writer

transformers = pytest.importorskip("transformers")


class Wrapped(nn.Module):
    """An encoder-decoder of transformers as a decoder, without a cache."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, ids, memory, state):
        from transformers.modeling_outputs import BaseModelOutput

        encoded = BaseModelOutput(last_hidden_state=memory["encoded"])
        return self.model(encoder_outputs=encoded, decoder_input_ids=ids).logits, None

    def scores(self, vectors):
        return vectors


@pytest.fixture(scope="module")
def t5():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = transformers.T5Config(
            vocab_size=10,
            d_model=24,
            d_kv=8,
            d_ff=32,
            num_layers=2,
            num_heads=3,
            decoder_start_token_id=0,
            eos_token_id=1,
            tie_word_embeddings=False,
        )
        model = transformers.T5ForConditionalGeneration(config).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(2)  # or all tokens would be as probable
            model.lm_head.weight.normal_(std=0.3)
            model.shared.weight.normal_()
        return model


@pytest.mark.parametrize("length_penalty", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("width", [1, 2, 5])
def test_beams_are_those_of_transformers(t5, width, length_penalty):
    ids = torch.randint(2, 10, (9, 6), generator=torch.Generator().manual_seed(1))
    theirs = t5.generate(
        ids,
        num_beams=width,
        num_return_sequences=width,
        max_new_tokens=12,
        early_stopping=True,
        suppress_tokens=[0],
        do_sample=False,
        **({"length_penalty": length_penalty} if width > 1 else {}),
    )
    with torch.inference_mode():
        memory = {"encoded": t5.encoder(ids).last_hidden_state}
        search = GreedySearch() if width == 1 else BeamSearch(width, length_penalty)
        ours, _ = search.write(Writer(Wrapped(t5), memory, caches=False), Limits(0, 1, 12), None)
    theirs = theirs[:, 1:].masked_fill(theirs[:, 1:] == 1, 0)
    theirs = nn.functional.pad(theirs, (0, 12 - theirs.shape[1])).view(9, width, 12)
    assert torch.equal(ours, theirs)
    lengths = {int((text > 0).sum()) for text in ours.flatten(0, 1)}
    assert len(lengths) > 1, lengths
