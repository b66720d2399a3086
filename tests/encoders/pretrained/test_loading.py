"""Models come from local folders: in float32, memory-mapped, once per process, without requests."""

import json
import os
import pickle
import shutil
import socket
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest
import torch
from torch.nn.utils import parametrize

from sklearn_mm.encoders.pretrained import _loading
from sklearn_mm.encoders.pretrained._folders import CheckpointError, weights_hash
from sklearn_mm.encoders.pretrained._hub import find_folder
from sklearn_mm.encoders.pretrained._loading import load_model

transformers = pytest.importorskip("transformers")
safetensors_torch = pytest.importorskip("safetensors.torch")

KINDS = {
    "bert": "BertModel",
    "clip": "CLIPModel",
    "convnext": "ConvNextModel",
    "dinov2": "Dinov2Model",
    "distilbert": "DistilBertModel",
    "roberta": "RobertaModel",
    "sentence_bert": "BertModel",
    "siglip": "SiglipModel",
    "t5_encoder": "T5Stack",
    "vit": "ViTModel",
    "wav2vec2": "Wav2Vec2Model",
    "whisper": "WhisperEncoder",
}


@pytest.fixture(autouse=True)
def nothing_loaded(monkeypatch):
    monkeypatch.setattr(_loading, "_loaded", type(_loading._loaded)())


@pytest.fixture
def closed_network(monkeypatch):
    """Let every attempt to reach anything fail the test, even one that is caught; peft, which asks a lot, is there."""
    pytest.importorskip("peft")
    asked = []

    def refuse(*args, **kwargs):
        asked.append(args)
        raise OSError("the network is closed here")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    yield
    assert not asked


@pytest.fixture
def copy(tiny_model, tmp_path):
    """Return a copy of a tiny model's folder, which may be changed."""

    def copy_of(name):
        return shutil.copytree(tiny_model(name), tmp_path / name)

    return copy_of


def change_config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def change_weights(folder, change):
    path = folder / "model.safetensors"
    weights = safetensors_torch.load(path.read_bytes())
    safetensors_torch.save_file(change(weights), folder / "new", {"format": "pt"})
    (folder / "new").rename(path)  # the old file stays mapped


@pytest.mark.parametrize("name", KINDS)
def test_models_of_all_kinds_are_loaded_from_folders_without_any_request(name, tiny_model, closed_network):
    folder = tiny_model(name)
    model = load_model(find_folder(str(folder)))
    assert type(model).__name__ == KINDS[name]
    assert not any(module.training for module in model.modules())
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}
    assert {weight.device.type for weight in model.parameters()} == {"cpu"}


@pytest.mark.parametrize("name", ["bert", "dinov2", "t5_encoder", "wav2vec2"])
def test_weights_are_those_that_transformers_loads(name, tiny_model):
    reference = transformers.AutoModel.from_pretrained(tiny_model(name), local_files_only=True)
    reference = reference.encoder if name == "t5_encoder" else reference
    for module in reference.modules():
        for weight in list(getattr(module, "parametrizations", ())):
            parametrize.remove_parametrizations(module, weight)
    ours = load_model(tiny_model(name)).state_dict()
    theirs = reference.state_dict()
    assert ours.keys() == theirs.keys()
    for key in ours:
        torch.testing.assert_close(ours[key], theirs[key], rtol=0, atol=0)


def test_an_encoder_decoder_leaves_no_decoder_alive(tiny_model):
    model = load_model(tiny_model("whisper"))
    assert not any("decoder" in name or "encoder_attn" in name for name, _ in model.named_modules())
    assert model(torch.zeros(1, 20, 100)).last_hidden_state.shape == (1, 50, 16)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype, copy, tiny_model):
    folder = copy("bert")
    transformers.AutoModel.from_pretrained(folder, dtype=dtype).save_pretrained(folder)
    with (folder / "config.json").open() as file:
        assert json.load(file)["dtype"] == str(dtype).removeprefix("torch.")
    model, whole = load_model(folder), load_model(tiny_model("bert"))
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}
    ids = torch.tensor([[2, 7, 8, 3]])
    torch.testing.assert_close(model(ids).pooler_output, whole(ids).pooler_output, rtol=0.05, atol=0.05)


def test_a_process_has_one_object_per_folder_until_the_files_change(copy, tiny_model):
    folder = copy("bert")
    model = load_model(folder)
    assert load_model(str(folder)) is model
    (folder.parent / "link").symlink_to(folder)
    assert load_model(folder.parent / "link") is model
    assert load_model(tiny_model("bert")) is not model
    change_weights(folder, lambda weights: {name: weight + 1 for name, weight in weights.items()})
    changed = load_model(folder)
    assert changed is not model
    difference = changed.embeddings.word_embeddings.weight - model.embeddings.word_embeddings.weight
    assert difference.mean().item() == pytest.approx(1)


def test_few_models_stay_loaded(tiny_model):
    names = ["bert", "vit", "roberta", "dinov2", "clip"]
    first, *_ = [load_model(tiny_model(name)) for name in names]
    assert len(_loading._loaded) == 4
    assert load_model(tiny_model("clip")) is load_model(tiny_model("clip"))
    assert load_model(tiny_model("bert")) is not first


def test_threads_get_the_same_object(tiny_model):
    folder, models = tiny_model("vit"), []
    threads = [threading.Thread(target=lambda: models.append(load_model(folder))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(models) == 4
    assert len(set(map(id, models))) == 1


def test_loading_is_quiet_and_leaves_everything_as_it_was(copy, capfd):
    folder = copy("bert")
    change_weights(folder, lambda weights: {name: w for name, w in weights.items() if not name.startswith("pooler")})
    logging = transformers.utils.logging
    capfd.readouterr()
    before = torch.get_rng_state(), logging.get_verbosity(), logging.is_progress_bar_enabled()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_model(folder)
    assert capfd.readouterr() == ("", "")
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before[1:]


def test_a_pooler_without_weights_is_taken_out_never_drawn(copy):
    folder = copy("bert")
    change_weights(folder, lambda weights: {name: w for name, w in weights.items() if not name.startswith("pooler")})
    model = load_model(folder)
    assert model.pooler is None
    output = model(torch.tensor([[2, 7, 3]]))
    assert output.pooler_output is None
    assert output.last_hidden_state.shape == (1, 3, 16)


def test_what_only_pretraining_needs_may_be_missing(copy):
    folder = copy("wav2vec2")
    change_weights(folder, lambda weights: {name: w for name, w in weights.items() if name != "masked_spec_embed"})
    model = load_model(folder)
    assert not model.masked_spec_embed.any()


def test_heads_of_other_tasks_are_left_aside(copy, tiny_model):
    folder = copy("bert")
    settings = json.loads((folder / "config.json").read_text())
    classifier = transformers.BertForSequenceClassification(transformers.BertConfig(**settings))
    classifier.save_pretrained(folder)
    model = load_model(folder)
    torch.testing.assert_close(model.pooler.dense.weight, classifier.bert.pooler.dense.weight)


def test_shards_are_read(copy, tiny_model):
    folder = copy("bert")
    transformers.AutoModel.from_pretrained(folder).save_pretrained(folder, max_shard_size="10KB")
    (folder / "model.safetensors").unlink()
    assert len(list(folder.glob("model-*.safetensors"))) > 2
    sharded, whole = load_model(folder).state_dict(), load_model(tiny_model("bert")).state_dict()
    for name in whole:
        torch.testing.assert_close(sharded[name], whole[name], rtol=0, atol=0)


def test_older_folders_of_sentence_transformers_have_the_model_in_a_folder_of_its_own(copy, tiny_model):
    folder = copy("sentence_bert")
    inner = folder / "0_Transformer"
    inner.mkdir()
    for name in ("config.json", "model.safetensors"):
        (folder / name).rename(inner / name)
    modules = json.loads((folder / "modules.json").read_text())
    modules[0]["path"] = inner.name
    (folder / "modules.json").write_text(json.dumps(modules))
    whole = load_model(tiny_model("bert")).state_dict()
    for name, weight in load_model(folder).state_dict().items():
        torch.testing.assert_close(weight, whole[name], rtol=0, atol=0)


PRIVATE_MEMORY = """
import sys, torch
from sklearn_mm.encoders.pretrained._loading import load_model

def mapped():
    lines = open("/proc/self/smaps").read().splitlines()
    start = next(i for i, line in enumerate(lines) if line.endswith("model.safetensors"))
    sizes = {}
    for line in lines[start + 1 : start + 20]:
        name, _, size = line.partition(":")
        if size.endswith(" kB"):
            sizes[name] = int(size.split()[0]) / 1024
    return sizes

model = load_model(sys.argv[1])
total = sum(float(weight.detach().sum()) for weight in model.parameters())  # reads all of them
print("ready", flush=True)
sys.stdin.readline()
sizes = mapped()
print(sizes["Rss"], sizes["Private_Dirty"], sizes["Private_Clean"], sizes["Shared_Clean"], flush=True)
sys.stdin.readline()
"""


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/smaps"), reason="this system does not say who has which page")
def test_processes_share_the_weights(minilm_folder):
    model = load_model(minilm_folder)
    assert sum(float(weight.detach().sum()) for weight in model.parameters())  # this process reads all of them, too
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", PRIVATE_MEMORY, str(minilm_folder)], **pipes) as process:
        assert process.stdout.readline() == "ready\n"
        found, _ = process.communicate("\n\n")
    rss, dirty, clean, shared = map(float, found.split())
    assert rss > 80  # MB, of a file of 87
    assert dirty + clean < 1
    assert shared > 80


def test_the_hash_is_of_the_content(copy, tiny_model, tmp_path):
    folder = copy("sentence_bert")
    first = weights_hash(folder)
    assert first == weights_hash(tiny_model("sentence_bert"))
    assert first != weights_hash(tiny_model("bert"))  # which is not normalised
    change_weights(folder, lambda weights: {**weights, "pooler.dense.bias": weights["pooler.dense.bias"] + 1})
    second = weights_hash(folder)
    change_config(folder, layer_norm_eps=1e-3)
    third = weights_hash(folder)
    (folder / "1_Pooling" / "config.json").write_text("{}")
    assert len({first, second, third, weights_hash(folder)}) == 4
    (folder / "README.md").write_text("nothing that computes")
    assert weights_hash(folder) == weights_hash(shutil.copytree(folder, tmp_path / "copy"))


def test_the_hash_is_not_computed_again_for_the_same_files(copy, monkeypatch):
    folder = copy("bert")
    first = weights_hash(folder)
    monkeypatch.setattr("hashlib.sha256", None)
    assert weights_hash(folder) == first


def test_errors_can_be_pickled(tmp_path):
    with pytest.raises(CheckpointError) as caught:
        load_model(tmp_path)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_missing_extra_is_named(tiny_model, monkeypatch):
    folder = tiny_model("bert")
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ImportError, match=r'pip install "sklearn-mm\[pretrained\]"'):
        load_model(folder)


def test_real_weights_give_the_vectors_that_transformers_gives(minilm_folder, whisper_folder, closed_network):
    ids = torch.tensor([[101, 1037, 4937, 102]])
    reference = transformers.AutoModel.from_pretrained(minilm_folder, local_files_only=True)(ids)
    torch.testing.assert_close(load_model(minilm_folder)(ids).last_hidden_state, reference.last_hidden_state)
    spectrum = torch.tensor(np.random.default_rng(0).normal(size=(1, 80, 3000)).astype(np.float32))
    reference = transformers.WhisperModel.from_pretrained(whisper_folder, local_files_only=True).encoder(spectrum)
    torch.testing.assert_close(load_model(whisper_folder)(spectrum).last_hidden_state, reference.last_hidden_state)
