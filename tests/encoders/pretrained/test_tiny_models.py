"""The tiny folders of the tests are what transformers and sentence-transformers take for theirs."""

import numpy as np
import pytest
import torch

transformers = pytest.importorskip("transformers")

TEXTS = ["a small quiet cat", "naïve birds sing", "42 apples?"]


@pytest.mark.parametrize("name", ["bert", "clip", "distilbert", "roberta", "siglip", "t5_encoder"])
def test_tokenizers_add_their_special_tokens_and_know_the_words(name, tiny_model):
    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(tiny_model(name), local_files_only=True)
    ids = tokenizer("a small quiet cat")["input_ids"]
    added = [token for token in tokenizer.convert_ids_to_tokens(ids) if token in tokenizer.all_special_tokens]
    expected = {
        "bert": ["[CLS]", "[SEP]"],
        "clip": ["<|startoftext|>", "<|endoftext|>"],
        "distilbert": ["[CLS]", "[SEP]"],
        "roberta": ["<s>", "</s>"],
        "siglip": ["</s>"],
        "t5_encoder": ["</s>"],
    }
    assert added == expected[name]
    assert tokenizer.model_max_length == 24
    assert tokenizer.pad_token_id == {"clip": 1, "roberta": 1, "siglip": 1}.get(name, 0)
    assert tokenizer.decode(ids, skip_special_tokens=True).strip() == "a small quiet cat"


@pytest.mark.parametrize("name", ["clip", "convnext", "dinov2", "siglip", "vit"])
def test_pictures_are_read_and_tell_models_something(name, tiny_model):
    pictures = np.random.default_rng(0).integers(0, 256, (2, 40, 50, 3)).astype(np.uint8)
    processor = transformers.AutoImageProcessor.from_pretrained(tiny_model(name), local_files_only=True)
    pixels = processor(list(pictures), return_tensors="pt")["pixel_values"]
    assert pixels.shape == (2, 3, 32, 32)
    model = transformers.AutoModel.from_pretrained(tiny_model(name), local_files_only=True)
    pooled = (getattr(model, "vision_model", model))(pixels).pooler_output
    assert (pooled[0] - pooled[1]).abs().max() > 0.01


@pytest.mark.parametrize(("name", "n_frames"), [("whisper", 50), ("wav2vec2", 99)])
def test_sound_is_read(name, n_frames, tiny_model):
    folder = tiny_model(name)
    extractor = transformers.AutoFeatureExtractor.from_pretrained(folder, local_files_only=True)
    sound = np.random.default_rng(0).normal(size=16000).astype(np.float32)
    inputs = extractor(sound, sampling_rate=16000, return_tensors="pt")
    model = transformers.AutoModel.from_pretrained(folder, local_files_only=True)
    if name == "whisper":
        model = model.encoder
    with torch.no_grad():
        assert model(next(iter(inputs.values()))).last_hidden_state.shape == (1, n_frames, 16)


def test_sentence_transformers_loads_its_folder(tiny_model):
    library = pytest.importorskip("sentence_transformers")
    model = library.SentenceTransformer(str(tiny_model("sentence_bert")), local_files_only=True)
    vectors = model.encode(TEXTS)
    assert [type(module).__name__ for module in model] == ["Transformer", "Pooling", "Normalize"]
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    assert abs(vectors[0] - vectors[1]).max() > 0.1


def test_real_weights_are_there_and_work(minilm_folder, efficientnet, multilingual_encoder):
    assert (minilm_folder / "model.safetensors").is_file()
    with torch.no_grad():
        assert efficientnet.extract_features(torch.zeros(1, 3, 64, 64)).shape[1] == 1280
    assert multilingual_encoder(TEXTS).shape == (3, 512)


def test_whisper_is_converted_whole(whisper_folder):
    model = transformers.WhisperForConditionalGeneration.from_pretrained(whisper_folder, local_files_only=True)
    names = set(model.state_dict())
    assert sum(weight.numel() for weight in model.parameters()) == 37_760_256
    assert {
        "model.encoder.layers.3.self_attn.q_proj.weight",
        "model.decoder.layers.3.encoder_attn.v_proj.bias",
    } <= names
    extractor = transformers.AutoFeatureExtractor.from_pretrained(whisper_folder, local_files_only=True)
    assert (extractor.feature_size, extractor.sampling_rate) == (80, 16000)
