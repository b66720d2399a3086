"""The decoder of a pretrained encoder-decoder by itself: Whisper's real weights, and how its texts begin."""

import json
import os
import shutil

import numpy as np
import pytest
import torch

from sklearn_mm.decoders import BeamSearch, GreedySearch, PretrainedDecoder
from sklearn_mm.decoders._writer import Limits, Writer
from sklearn_mm.encoders import Features
from sklearn_mm.encoders.pretrained._loading import load_model
from sklearn_mm.estimators._text_target import TextTarget
from sklearn_mm.networks._block_encoders import BlockEncoders
from sklearn_mm.preprocessing import TextTransformer

transformers = pytest.importorskip("transformers")

N_TOKENS = 10
TIMES = list(range(50_363, 51_864))  # of Whisper tiny.en, which its tokenizer does not have


def built(folder, **parameters):
    """Return the decoder of a folder for one block, "speech", that its encoder reads, and the transformer of texts."""
    decoder = PretrainedDecoder(folder, **parameters)
    transformer = TextTransformer(**decoder.reading).fit(["a word"])
    decoder.meet(BlockEncoders({}, {}))
    decoder._own_blocks = ["speech"]
    width = load_model(folder).config.hidden_size
    return decoder.build({"speech": width}, {"speech": width}, transformer.spec_.vocab_size + 2).eval(), transformer


@pytest.fixture(scope="module")
def whisper(whisper_folder):
    """Return Whisper of transformers and ours, its transformer of texts, spectra, and what its encoder says of them."""
    model = transformers.WhisperForConditionalGeneration.from_pretrained(whisper_folder).eval()
    decoder, transformer = built(whisper_folder)
    time = np.arange(16_000 * 4) / 16_000
    rng = np.random.default_rng(0)
    sounds = [np.sin(2 * np.pi * 220 * time * (1 + time / 8)), rng.normal(0, 0.1, len(time)), np.zeros(len(time))]
    extractor = transformers.WhisperFeatureExtractor.from_pretrained(whisper_folder)
    spectra = extractor([sound.astype(np.float32) for sound in sounds], sampling_rate=16_000, return_tensors="pt")
    with torch.no_grad():
        tokens = model.get_encoder()(spectra.input_features).last_hidden_state
    return model, decoder, transformer, spectra.input_features, tokens


def remembered(decoder, tokens):
    n_rows = len(tokens)
    mask = torch.zeros(tokens.shape[:2], dtype=torch.bool)
    mask[:, :100] = True  # Whisper reads silence, too, whatever is said of it
    present = torch.ones(n_rows, 1, dtype=torch.bool)
    return decoder.remember({"speech": Features(tokens.mean(1), tokens, mask)}, present)


def limits_of(decoder, **settings):
    end = len(decoder.read) - 2
    return Limits(end + 1, end, N_TOKENS, never=decoder.never, never_first=decoder.never_first, **settings)


def test_whisper_says_what_it_says_in_transformers(whisper):
    model, decoder, _, _, tokens = whisper
    ids = torch.tensor([[50_257, 843, 220, 50_361, 11, 4]])
    by_model_id = {int(own): place for place, own in enumerate(decoder.written) if decoder.is_written[place]}
    assert sorted(by_model_id) == list(range(TIMES[0]))
    ours = torch.tensor([[len(decoder.read) - 1, *(by_model_id[token] for token in ids[0, 1:].tolist())]])
    with torch.inference_mode():
        vectors, state = decoder(ours.expand(3, -1), remembered(decoder, tokens))
        scores = decoder.scores(vectors).log_softmax(-1)
        logits = model(encoder_outputs=(tokens,), decoder_input_ids=ids.expand(3, -1)).logits
    wanted = logits.log_softmax(-1)
    places = torch.tensor([by_model_id[token] for token in range(TIMES[0])])
    torch.testing.assert_close(scores[..., places], wanted[..., : TIMES[0]], atol=1e-4, rtol=0)
    torch.testing.assert_close(scores[..., 0], wanted[..., TIMES].logsumexp(-1), atol=1e-4, rtol=0)
    assert all(tensor.shape[0] == 3 for tensor in state.values())


@pytest.mark.parametrize("width", [1, 3])
def test_whisper_writes_what_it_writes_in_transformers(whisper, width):
    model, decoder, transformer, spectra, tokens = whisper
    search = GreedySearch() if width == 1 else BeamSearch(width)
    with torch.inference_mode():
        written, _ = search.write(Writer(decoder, remembered(decoder, tokens)), limits_of(decoder), None)
        without = written
        if width == 1:
            uncached = Writer(decoder, remembered(decoder, tokens), caches=False)
            without, _ = search.write(uncached, limits_of(decoder), None)
        alone, _ = search.write(Writer(decoder, remembered(decoder, tokens[1:2])), limits_of(decoder), None)
        settings = {} if width == 1 else {"early_stopping": True, "num_return_sequences": width}
        reference = transformers.GenerationMixin.generate(
            model,
            spectra,
            max_new_tokens=N_TOKENS,
            num_beams=width,
            do_sample=False,
            suppress_tokens=TIMES,
            **settings,
        )[:, 1:]
    assert torch.equal(without, written)
    assert torch.equal(alone[0], written[1])
    for ours, theirs in zip(written.flatten(0, 1), reference.tolist(), strict=True):
        ended = theirs[: theirs.index(50_256)] if 50_256 in theirs else theirs
        assert decoder.written[ours[ours > 0]].tolist() == ended
    target = TextTarget("test", transformer, decoder.special_tokens)
    target.transformer_ = transformer
    texts = target.decode(written[:, 0].numpy())
    told = transformers.AutoTokenizer.from_pretrained(model.name_or_path).batch_decode(
        reference[::width], skip_special_tokens=True
    )
    assert texts.tolist() == told


def copied(source, target):
    """Copy a file, but for weights, which are only read."""
    (os.link if source.endswith(".safetensors") else shutil.copy2)(source, target)


def changed(folder, tmp_path, name="generation_config.json", **settings):
    """Return a copy of a folder whose JSON file says other things, too."""
    folder = shutil.copytree(folder, tmp_path / "changed", copy_function=copied)
    path = folder / name
    told = json.loads(path.read_text()) if path.is_file() else {}
    told.pop("_from_model_config", None)  # or transformers would make it anew
    path.write_text(json.dumps({**told, **settings}))
    return folder


def test_texts_are_as_long_as_the_decoder_has_places_for(whisper):
    _, decoder, transformer, _, tokens = whisper
    assert transformer.max_length == 447
    with torch.inference_mode(), pytest.raises(ValueError, match=r"has places for 448 tokens.*max_new_tokens=448"):
        decoder(torch.full((3, 449), 50), remembered(decoder, tokens))


def test_texts_begin_as_the_checkpoint_says(whisper_folder, whisper, tmp_path):
    model, _, _, _, tokens = whisper
    suppressed, first = [11, 13, 220], [50_256, 383]
    folder = changed(
        whisper_folder,
        tmp_path,
        no_timestamps_token_id=50_362,
        suppress_tokens=suppressed,
        begin_suppress_tokens=first,
    )
    decoder, _ = built(folder)
    assert [*decoder.before.tolist(), int(decoder.read[-1])] == [50_257, 50_362]
    assert set(suppressed) <= set(decoder.written[list(decoder.never)].tolist())
    assert set(first) == set(decoder.written[list(decoder.never_first)].tolist())
    with torch.inference_mode():
        ours, _ = GreedySearch().write(Writer(decoder, remembered(decoder, tokens)), limits_of(decoder), None)
        settings = {"suppress_tokens": [*suppressed, *TIMES], "begin_suppress_tokens": first, "do_sample": False}
        reference = transformers.GenerationMixin.generate(
            model,
            encoder_outputs=transformers.modeling_outputs.BaseModelOutput(tokens),
            decoder_input_ids=torch.tensor([[50_257, 50_362]] * 3),
            max_new_tokens=N_TOKENS,
            **settings,
        )[:, 2:]
    for row, theirs in zip(ours[:, 0], reference.tolist(), strict=True):
        ended = theirs[: theirs.index(50_256)] if 50_256 in theirs else theirs
        assert decoder.written[row[row > 0]].tolist() == ended


def test_the_user_says_how_texts_begin(whisper_folder, tmp_path):
    many = {"lang_to_id": {"<|de|>": 50_258}, "task_to_id": {"transcribe": 50_357}, "no_timestamps_token_id": 50_362}
    folder = changed(whisper_folder, tmp_path, **many)
    with pytest.raises(ValueError, match=r"writes several languages.*prompt='<\|de\|><\|transcribe\|><\|notimestamps"):
        built(folder)
    decoder, _ = built(folder, prompt="<|startofprev|><|notimestamps|>")
    assert [*decoder.before.tolist(), int(decoder.read[-1])][-1] == 50_362
    said = {**many, "language": "de", "task": "transcribe"}
    decoder, _ = built(changed(folder, tmp_path / "said", **said))
    assert [*decoder.before.tolist(), int(decoder.read[-1])] == [50_257, 50_258, 50_357, 50_362]


def test_forced_first_tokens_stand_before_texts(tiny_model, tmp_path):
    decoder, _ = built(changed(tiny_model("marian"), tmp_path, forced_bos_token_id=7))
    assert [*decoder.before.tolist(), int(decoder.read[-1])] == [0, 7]
    assert 0 in decoder.written[list(decoder.never)].tolist()  # by bad_words_ids


@pytest.mark.parametrize(
    ("file", "settings", "message"),
    [
        ("generation_config.json", {"eos_token_id": [1, 2]}, r"has no token, or several.*eos_token_id \[1, 2\]"),
        ("config.json", {"d_model": 20}, "weights have other shapes than config.json"),
        ("config.json", {"decoder_layers": 3}, r"of the \d+ weights of a marian decoder are missing"),
        ("config.json", {"architectures": ["MarianModel"]}, "MarianModel does not write texts"),
        ("config.json", {"architectures": ["BertForMaskedLM"]}, "does not write texts"),
        ("config.json", {"architectures": ["no_such_class"]}, "does not write texts"),
        ("config.json", {"vocab_size": 40}, "weights have other shapes than config.json"),
    ],
)
def test_hostile_folders(tiny_model, tmp_path, file, settings, message):
    folder = changed(tiny_model("marian"), tmp_path, file, **settings)
    with pytest.raises(ValueError, match=message):
        built(folder)


def test_weights_that_are_missing(tiny_model, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(tiny_model("t5"), tmp_path / "changed")
    tensors = load_file(folder / "model.safetensors")
    lacking = {name: tensor for name, tensor in tensors.items() if not name.startswith("decoder.block.1.layer.1.")}
    save_file(lacking, folder / "model.safetensors", metadata={"format": "pt"})
    load_model(folder)  # whose encoder is whole
    with pytest.raises(ValueError, match=r"5 of the \d+ weights of a t5 decoder are missing: decoder.block.1.layer.1"):
        built(folder)


def test_broken_generation_settings(tiny_model, tmp_path):
    folder = shutil.copytree(tiny_model("t5"), tmp_path / "changed")
    (folder / "generation_config.json").write_text("{")
    with pytest.raises(ValueError, match=r"generation_config.json is no JSON file that can be read"):
        built(folder)
