"""Models that are handed in as objects: those of transformers are read as their folders say, others as modules are."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn as nn

from sklearn_mm import ImageInput, MultimodalClassifier
from sklearn_mm.encoders import PretrainedEncoder
from sklearn_mm.encoders._registry import resolve_encoder
from sklearn_mm.preprocessing import BlockSpec, ImageSpec, ImageTransformer, TextSpec
from sklearn_mm.utils._tensors import as_tensors

transformers = pytest.importorskip("transformers")

SPECS = {
    "text": TextSpec(shape=(20,), vocab_size=50, tokenizer="custom"),
    "image": ImageSpec(shape=(32, 32, 3), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
    "audio": BlockSpec(kind="audio", shape=(16_000,)),
}


def rows_of(kind):
    if kind == "audio":
        return torch.from_numpy(torch.arange(48_000).reshape(3, -1).sin().numpy())
    return as_tensors(SPECS[kind].example_rows(3))


def built(model, kind, spec=None, **settings):
    return resolve_encoder(PretrainedEncoder(model, **settings), kind).build(spec or SPECS[kind])


def features(encoder, rows):
    encoder.eval()
    with torch.no_grad():
        return encoder(encoder.prepare(rows))


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("text", "bert"),
        ("image", "vit"),
        ("image", "clip"),
        ("text", "clip"),
        ("audio", "whisper"),
        ("text", "siglip"),
    ],
)
def test_an_object_does_what_its_folder_does(kind, name, tiny_model):
    model = transformers.AutoModel.from_pretrained(tiny_model(name))
    encoder = built(model, kind)
    assert encoder.frozen
    found, expected = features(encoder, rows_of(kind)), features(built(tiny_model(name), kind), rows_of(kind))
    torch.testing.assert_close(found.pooled, expected.pooled, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.tokens, expected.tokens, rtol=1e-4, atol=1e-5)
    again = pickle.loads(pickle.dumps(encoder))
    torch.testing.assert_close(features(again, rows_of(kind)).pooled, found.pooled)
    objects, folders = (PretrainedEncoder(source).for_kind(kind) for source in (model, tiny_model(name)))
    assert objects.reading.keys() == folders.reading.keys()
    assert objects.required_reading == folders.required_reading
    assert objects.reads_kind(kind)


def test_weights_that_cannot_be_pickled_are_an_error(tiny_model):
    model = transformers.AutoModel.from_pretrained(tiny_model("wav2vec2"))
    with pytest.raises(ValueError, match=r"\(Wav2Vec2Model\): weights of the model are parametrised"):
        built(model, "audio")


def test_the_head_of_a_task_is_left_out(tiny_model):
    model = transformers.ViTForImageClassification.from_pretrained(tiny_model("vit"))
    found, expected = (features(built(source, "image"), rows_of("image")) for source in (model, tiny_model("vit")))
    torch.testing.assert_close(found.pooled, expected.pooled, rtol=1e-4, atol=1e-5)


def test_texts_need_a_folder(tiny_model):
    config = transformers.BertConfig(hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=8)
    with pytest.raises(ValueError, match=r"\(BertModel\): nothing says how the model reads text.* give that folder"):
        built(transformers.BertModel(config), "text")


def test_pictures_do_not(tiny_model):
    config = transformers.AutoConfig.from_pretrained(tiny_model("vit"))
    model = transformers.ViTModel(transformers.ViTConfig(**{**config.to_dict(), "_name_or_path": ""})).eval()
    rows = rows_of("image")
    encoder = built(model, "image", trainable="last", n_layers=1)
    with torch.no_grad():
        expected = model(pixel_values=(rows.permute(0, 3, 1, 2) / 255 - 0.5) / 0.5).last_hidden_state
    torch.testing.assert_close(features(encoder, rows).tokens, expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match=r"\(ViTModel\): the model reads image, and the block is of kind 'text'"):
        built(model, "text")


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # peft asks so
def test_adapters_of_peft_count(tiny_model):
    peft = pytest.importorskip("peft")
    model = transformers.AutoModel.from_pretrained(tiny_model("vit"))
    model = peft.get_peft_model(model, peft.LoraConfig(r=2, target_modules=["q_proj", "v_proj"]))
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(std=0.5)
    rows = rows_of("image")
    with torch.no_grad():
        pixels = (rows.permute(0, 3, 1, 2) / 255 - 0.5) / 0.5
        expected = model.eval()(pixel_values=pixels).last_hidden_state
    found = features(built(model, "image"), rows)
    torch.testing.assert_close(found.tokens, expected, rtol=1e-4, atol=1e-5)
    assert (found.tokens - features(built(tiny_model("vit"), "image"), rows).tokens).abs().max() > 0.01
    with pytest.raises(ValueError, match="has adapters already"):
        built(model, "image", trainable="lora")


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # peft asks so
def test_learnt_prompts_are_an_error(tiny_model):
    peft = pytest.importorskip("peft")
    model = transformers.AutoModel.from_pretrained(tiny_model("bert"))
    config = peft.PromptTuningConfig(task_type="FEATURE_EXTRACTION", num_virtual_tokens=2)
    with pytest.raises(ValueError, match="prompts that were learnt"):
        built(peft.get_peft_model(model, config), "text")


class Returning(nn.Module):
    """Returns what a function makes of a map."""

    def __init__(self, change):
        super().__init__()
        self.layer = nn.Conv2d(3, 4, 8, 8)
        self.change = change

    def forward(self, x):
        return self.change(self.layer(x))


def test_of_a_tuple_the_first_counts():
    module = Returning(lambda maps: (maps.mean((2, 3)), maps))
    assert features(built(module, "image"), rows_of("image")).pooled.shape == (3, 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda maps: {"maps": maps}, "it returned a dict where a tensor of 2, 3 or 4 dimensions is needed"),
        (lambda maps: [maps], "it returned a list where"),
        (lambda maps: maps[None], r"it returned a tensor of shape \(1, 2, 4, 4, 4\) where"),
        (lambda maps: maps.mean((1, 2, 3)), r"it returned a tensor of shape \(2,\) where"),
        (lambda maps: maps.mean((0, 2, 3))[None], "of 2 rows it returned 1"),
    ],
    ids=["dict", "list", "five", "one", "rows"],
)
def test_what_modules_may_not_return(change, message):
    with pytest.raises(ValueError, match=rf"Returning cannot read block .*{message}"):
        built(Returning(change), "image")


@pytest.mark.parametrize("name", ["bert", "clip"])
def test_rows_that_are_too_long(name, tiny_model):
    spec = TextSpec(name="review", shape=(30,), vocab_size=50, tokenizer="custom")
    with pytest.raises(
        ValueError, match=r"'review' .* reads 24 tokens at most, and rows of the block have 30: .*chunk"
    ):
        built(tiny_model(name), "text", spec)


def test_vocabulary_of_another_model(tiny_model):
    spec = TextSpec(name="review", shape=(20,), vocab_size=5000, tokenizer="custom")
    with pytest.raises(ValueError, match=r"block 'review' has a vocabulary of 4999 tokens, and the model in .* one of"):
        built(tiny_model("bert"), "text", spec)


def test_pictures_of_another_size(tiny_model):
    spec = ImageSpec(name="photo", shape=(48, 48, 3), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    with pytest.raises(ValueError, match=r"'photo' .*\(48\*48\) doesn't match model \(32\*32\)"):
        built(tiny_model("vit"), "image", spec)
    assert built(tiny_model("convnext"), "image", spec).out_features == 24


def test_pictures_of_another_size_as_users_ask_for_them(tiny_model):
    X = pd.DataFrame({"photo": list(np.random.default_rng(0).integers(0, 255, (8, 16, 16, 3), dtype=np.uint8))})

    def fit(name):
        photo = ImageInput("photo", transformer=ImageTransformer(48), encoder=PretrainedEncoder(tiny_model(name)))
        return MultimodalClassifier(image=photo, text=None, tabular=None, max_epochs=1).fit(X, np.arange(8) % 2)

    with pytest.raises(
        ValueError, match=r"PretrainedEncoder needs size=\(32, 32\), but the ImageTransformer has size=48"
    ):
        fit("vit")
    (spec,) = fit("convnext").specs_.values()
    assert spec.shape == (48, 48, 3)
