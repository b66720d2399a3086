"""Whatever a folder holds, it is loaded whole or refused in one clear error, and nothing in it is run."""

import json
import pickle
import re
import shutil
import struct

import numpy as np
import pytest
import torch

from sklearn_mm.encoders.pretrained._folders import CheckpointError, weights_hash
from sklearn_mm.encoders.pretrained._loading import load_model

transformers = pytest.importorskip("transformers")
safetensors_torch = pytest.importorskip("safetensors.torch")

# transformers refuses pickles of any kind where torch.load may run what it should not (CVE-2025-32434).
READS_PICKLES = tuple(map(int, torch.__version__.split(".")[:2])) >= (2, 6)


@pytest.fixture
def folder(tiny_model, tmp_path):
    return shutil.copytree(tiny_model("bert"), tmp_path / "bert")


def refused(folder, match):
    """Check that loading fails with an error that says where, what and what else; return its text."""
    with pytest.raises(CheckpointError, match=match) as caught:
        load_model(folder)
    text = str(caught.value)
    assert re.search(r"^The pretrained model in '.*bert.*' cannot be loaded: ", text)
    assert "Accepted are folders as save_pretrained" in text
    assert text.endswith((".", "it."))
    return text


def write_config(folder, **changes):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


def weights_of(folder):
    return safetensors_torch.load((folder / "model.safetensors").read_bytes())


def write_weights(folder, weights):
    safetensors_torch.save_file(weights, folder / "model.safetensors", {"format": "pt"})


class Bomb:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "pickle alone"])
def test_a_pickle_bomb_does_not_go_off(zipped, folder, tmp_path):
    crater = tmp_path / "crater"
    weights = {**weights_of(folder), "bomb": Bomb(crater)}
    (folder / "model.safetensors").unlink()
    if zipped:
        torch.save(weights, folder / "pytorch_model.bin")
    else:
        (folder / "pytorch_model.bin").write_bytes(pickle.dumps({"bomb": Bomb(crater)}, protocol=2))
    refused(folder, "pytorch_model.bin is damaged, or holds more than tensors" if READS_PICKLES else "torch.load")
    assert not crater.exists()
    Bomb(crater).__reduce__()[0](*Bomb(crater).__reduce__()[1]).close()
    assert crater.exists()  # it is a bomb


@pytest.mark.skipif(not READS_PICKLES, reason="this version of torch reads no pickles safely")
def test_tensors_alone_are_read_from_bin_files(folder, tiny_model):
    torch.save(weights_of(folder), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    whole = load_model(tiny_model("bert")).state_dict()
    for name, weight in load_model(folder).state_dict().items():
        torch.testing.assert_close(weight, whole[name], rtol=0, atol=0)


@pytest.mark.parametrize("content", [[], 3, {"pooler.dense.bias": "text"}, {3: torch.ones(2)}, torch.ones(2)], ids=repr)
def test_bin_files_without_weights(content, folder):
    (folder / "model.safetensors").unlink()
    torch.save(content, folder / "pytorch_model.bin")
    refused(folder, "bert")


def test_truncated_bin_files(folder):
    path = folder / "pytorch_model.bin"
    torch.save(weights_of(folder), path)
    (folder / "model.safetensors").unlink()
    path.write_bytes(path.read_bytes()[:1000])
    refused(folder, "bert")


def test_safetensors_are_preferred_to_a_bomb_beside_them(folder, tmp_path):
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(tmp_path / "crater")))
    load_model(folder)
    assert not (tmp_path / "crater").exists()


@pytest.mark.parametrize("n_left", [0, 5, 200, -1])
def test_truncated_safetensors(n_left, folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:n_left])
    refused(folder, "model.safetensors is damaged or no safetensors file")


def lie(content, change):
    """Return a safetensors file with another header."""
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    change(header)
    header = json.dumps(header).encode()
    return struct.pack("<Q", len(header)) + header + content[8 + length :]


NAME = "pooler.dense.bias"  # of 16 numbers
LIES = {
    "longer shape": lambda header: header[NAME].update(shape=[17]),
    "shape of 10^15": lambda header: header[NAME].update(shape=[10**15]),
    "offsets beyond the end": lambda header: header[NAME].update(data_offsets=[10**9, 10**9 + 64]),
    "offsets that overlap": lambda header: header[NAME].update(data_offsets=[0, 64]),
    "negative offsets": lambda header: header[NAME].update(data_offsets=[-64, 0]),
    "unknown type": lambda header: header[NAME].update(dtype="F31"),
    "no tensors": lambda header: header.clear(),
}


@pytest.mark.parametrize("change", LIES.values(), ids=LIES)
def test_safetensors_whose_header_lies(change, folder):
    path = folder / "model.safetensors"
    path.write_bytes(lie(path.read_bytes(), change))
    refused(folder, "model.safetensors is damaged")


def test_a_header_of_the_length_of_the_universe(folder):
    path = folder / "model.safetensors"
    path.write_bytes(struct.pack("<Q", 2**62) + path.read_bytes()[8:])
    refused(folder, "model.safetensors is damaged")


def test_wrong_shapes(folder):
    weights = weights_of(folder)
    write_weights(folder, {**weights, "encoder.layer.0.output.dense.bias": torch.zeros(15)})
    refused(folder, r"1 weights have other shapes .*encoder.layer.0.output.dense.bias \(15,\) for \(16,\)")


def test_a_missing_weight_is_not_drawn_at_random(folder):
    weights = weights_of(folder)
    del weights["encoder.layer.1.attention.self.query.weight"]
    write_weights(folder, weights)
    refused(folder, r"1 of the \d+ weights .*are missing: encoder.layer.1.attention.self.query.weight\.")


def test_half_a_pooler_is_no_pooler(folder):
    weights = weights_of(folder)
    del weights["pooler.dense.bias"]
    write_weights(folder, weights)
    assert load_model(folder).pooler is None


def test_more_layers_in_the_weights_than_in_the_configuration(folder):
    write_config(folder, num_hidden_layers=2)
    refused(folder, r"16 weights are of layers that config.json \(bert\) does not have: encoder.layer.2.")


def test_more_layers_of_an_encoder_that_has_a_decoder(tiny_model, tmp_path):
    folder = shutil.copytree(tiny_model("whisper"), tmp_path / "bert")
    write_config(folder, decoder_layers=3)  # which is not used
    load_model(folder)
    write_config(folder, decoder_layers=1, encoder_layers=2)
    refused(folder, r"\(whisper\) does not have: model.encoder.layers.2.")


def test_fewer_layers_in_the_weights_than_in_the_configuration(folder):
    write_config(folder, num_hidden_layers=4)
    refused(folder, "16 of the .* are missing: encoder.layer.3.")


@pytest.mark.parametrize("other", ["vit", "distilbert", "roberta", "whisper", "clip"])
def test_configuration_of_another_architecture(other, folder, tiny_model):
    shutil.copy(tiny_model(other) / "config.json", folder)
    refused(folder, f"(are missing|other shapes).*|.*{other}")


CONFIGURATIONS = {
    "no JSON": ("{", "config.json is no JSON file"),
    "bytes": (b"\xff\xfe\x00", "config.json is no JSON file"),
    "empty": ("", "config.json is no JSON file"),
    "a list": ("[]", "config.json holds a list where"),
    "deep": ("[" * 100_000, "config.json is no JSON file"),
    "no model_type": ("{}", "config.json has no model_type"),
    "unknown model_type": ('{"model_type": "bertt"}', "which transformers does not have.*Did you mean 'bert'"),
    "a number as model_type": ('{"model_type": 3}', "model_type 3, which"),
    "a list as model_type": ('{"model_type": ["bert"]}', "which transformers does not have"),
    "width of text": ('{"model_type": "bert", "hidden_size": "wide"}', "transformers ends in .*(hidden_size|size)"),
    "width of 0": ('{"model_type": "bert", "hidden_size": 0}', "hidden|Zero|modulo|shapes"),
    "negative depth": ('{"model_type": "bert", "num_hidden_layers": -3}', "num_hidden_layers|other shapes"),
    "unknown activation": ('{"model_type": "bert", "hidden_act": "__import__"}', "__import__|other shapes"),
    "quantised": ('{"model_type": "bert", "quantization_config": {"quant_method": "x"}}', "quantised"),
    "weights elsewhere": ('{"model_type": "bert", "transformers_weights": "../x.bin"}', "points elsewhere"),
    "kernels elsewhere": ('{"model_type": "bert", "attn_implementation": "evil/kernels"}', "points elsewhere"),
    "nested": (
        '{"model_type": "clip", "text_config": {"_attn_implementation": "evil/kernels"}}',
        "points elsewhere",
    ),
}


@pytest.mark.parametrize(("content", "match"), CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_broken_configurations(content, match, folder):
    (folder / "config.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    refused(folder, match)


def test_code_of_ones_own_is_not_run_unless_asked_for(folder, tmp_path):
    crater = tmp_path / "crater"
    (folder / "modeling_own.py").write_text(f"open({str(crater)!r}, 'w').close()\nraise RuntimeError('was run')\n")
    auto_map = {"AutoConfig": "modeling_own.OwnConfig", "AutoModel": "modeling_own.OwnModel"}
    (folder / "config.json").write_text(json.dumps({"model_type": "own", "auto_map": auto_map}))
    text = refused(folder, "code of its own")
    assert text.endswith("Read that code, and pass trust_remote_code=True if you trust it.")
    assert not crater.exists()
    with pytest.raises(CheckpointError, match="was run"):
        load_model(folder, trust_remote_code=True)
    assert crater.exists()


OWN_CODE = """
import torch
from transformers import PreTrainedConfig, PreTrainedModel

class OwnConfig(PreTrainedConfig):
    model_type = "own"

class OwnModel(PreTrainedModel):
    config_class = OwnConfig

    def __init__(self, config):
        super().__init__(config)
        self.layer = torch.nn.Linear(2, 3)
        self.post_init()
"""


def test_code_of_ones_own_is_run_if_asked_for(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    (folder / "modeling_own.py").write_text(OWN_CODE)
    auto_map = {"AutoConfig": "modeling_own.OwnConfig", "AutoModel": "modeling_own.OwnModel"}
    (folder / "config.json").write_text(json.dumps({"model_type": "own", "auto_map": auto_map}))
    write_weights(folder, {"layer.weight": torch.ones(3, 2), "layer.bias": torch.zeros(3)})
    model = load_model(folder, trust_remote_code=True)
    assert type(model).__name__ == "OwnModel"
    assert model.layer.weight.sum().item() == 6


def test_known_architectures_ignore_code_beside_them(folder, tmp_path):
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'crater')!r}, 'w').close()")
    write_config(folder, auto_map={"AutoConfig": "evil.Config", "AutoModel": "evil.Model"})
    assert type(load_model(folder)).__module__.startswith("transformers.models.bert")
    assert not (tmp_path / "crater").exists()


def test_a_folder_without_weights_names_what_it_has(folder):
    (folder / "model.safetensors").rename(folder / "tf_model.h5")
    refused(folder, "no weights, but config.json, tf_model.h5, tokenizer.json")


def test_a_folder_without_configuration(folder):
    (folder / "config.json").unlink()
    refused(folder, "there is no config.json, but model.safetensors, tokenizer.json")


def test_an_empty_folder_and_none(tmp_path):
    (tmp_path / "bert").mkdir()
    refused(tmp_path / "bert", "there is no config.json, but nothing")
    refused(tmp_path / "bert_too", "there is no config.json, but no such folder either")


def test_an_adapter_is_no_model(folder):
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "org/base", "peft_type": "LORA"}')
    refused(folder, "an adapter of peft.*merge_and_unload")


@pytest.fixture
def sharded(folder):
    transformers.AutoModel.from_pretrained(folder).save_pretrained(folder, max_shard_size="10KB")
    (folder / "model.safetensors").unlink()
    return folder


def change_index(folder, change):
    path = folder / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    change(index)
    path.write_text(json.dumps(index))


def test_a_missing_shard(sharded):
    shards = sorted(sharded.glob("model-*.safetensors"))
    shards[1].rename(shards[1].with_name("model-00002.safetensors"))
    refused(sharded, f"names the shard '{shards[1].name}', which is not there. Did you mean")


@pytest.mark.parametrize(
    "name", ["../x.safetensors", "/etc/x.safetensors", "..\\x.safetensors", "a/b.safetensors", ".."]
)
def test_shards_outside_of_the_folder(name, sharded):
    shutil.copy(next(sharded.glob("model-*.safetensors")), sharded.parent / "x.safetensors")
    change_index(sharded, lambda index: index["weight_map"].update({"pooler.dense.bias": name}))
    refused(sharded, f"names {re.escape(repr(name))}, which does not lie directly in the folder")


def test_a_pickle_as_a_shard(sharded, tmp_path):
    (sharded / "x.bin").write_bytes(pickle.dumps(Bomb(tmp_path / "crater")))
    change_index(sharded, lambda index: index["weight_map"].update({"pooler.dense.bias": "x.bin"}))
    refused(sharded, "names 'x.bin', which is no .safetensors file")
    assert not (tmp_path / "crater").exists()


@pytest.mark.parametrize("index", ["{}", "[]", '{"weight_map": []}', '{"weight_map": {}}', '{"weight_map": {"a": 3}}'])
def test_broken_indices(index, sharded):
    (sharded / "model.safetensors.index.json").write_text(index)
    refused(sharded, "model.safetensors.index.json")


@pytest.mark.parametrize(
    "modules", ["{}", "[]", "3", "[3]", '[{"path": "../other"}]', '[{"path": "/"}]', '[{"path": 3}]']
)
def test_broken_lists_of_modules(modules, folder):
    (folder / "modules.json").write_text(modules)
    refused(folder, "modules.json")
    with pytest.raises(CheckpointError, match=r"modules\.json"):
        weights_hash(folder)


def test_an_architecture_that_is_nearly_known_with_code(folder):
    write_config(folder, model_type="bertt", auto_map={"AutoModel": "modeling.Model"})
    refused(folder, "Did you mean 'bert'.*code of its own")


def test_bits_that_flipped_are_refused_or_read(folder):
    """Damage at random places never ends in anything but a model or the one error."""
    path = folder / "model.safetensors"
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    n_refused = 0
    for place in rng.integers(0, 3000, 60):  # mostly in the header
        damaged = bytearray(content)
        damaged[place] ^= 1 << rng.integers(8)
        path.unlink()
        path.write_bytes(damaged)
        try:
            load_model(folder)
        except CheckpointError:
            n_refused += 1
    assert n_refused > 10
