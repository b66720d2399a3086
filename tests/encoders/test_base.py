import pytest
import torch

from sklearn_mm.encoders import BagEncoder, Encoder, ImageEncoder, TabularEncoder, TextEncoder
from sklearn_mm.encoders._base import base_encoder
from sklearn_mm.preprocessing import ImageSpec


def test_images_are_scaled_and_reordered():
    stored = torch.arange(24, dtype=torch.uint8).view(1, 2, 4, 3) * 10
    before = stored.clone()
    prepared = ImageEncoder().prepare(stored)
    assert prepared.shape == (1, 3, 2, 4)
    assert prepared.dtype == torch.float32
    assert prepared[0, 1, 0, 2].item() == pytest.approx(70 / 255)
    assert torch.equal(stored, before)


def test_images_are_normalised_by_channel():
    spec = ImageSpec(shape=(2, 2, 3), mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 0.1))
    encoder = ImageEncoder().build(spec)
    normal = encoder.normalise(torch.full((1, 3, 2, 2), 0.4))
    torch.testing.assert_close(normal[0, :, 0, 0], torch.tensor([0.6, 0.8, 1.0]))


def test_ids_and_codes_become_what_embeddings_take():
    assert TextEncoder().prepare(torch.zeros(2, 3, dtype=torch.int32)).dtype == torch.int64
    row = {"numbers": torch.zeros(2, 1), "codes": torch.zeros(2, 1, dtype=torch.int32)}
    prepared = TabularEncoder().prepare(row)
    assert prepared["codes"].dtype == torch.int64
    assert row["codes"].dtype == torch.int32


def test_a_kind_has_one_base_that_says_how_its_tensors_are_handled():
    bases = {kind: base_encoder(kind) for kind in ("image", "text", "tabular", "scent")}
    assert bases == {"image": ImageEncoder, "text": TextEncoder, "tabular": TabularEncoder, "scent": Encoder}
    ids = torch.tensor([[3, 4, 0]])
    assert TextEncoder().token_mask(ids).tolist() == [[True, True, False]]
    assert Encoder().token_mask(ids) is None
    assert Encoder().module_arguments(ids) == (ids,)
    numbers, codes = torch.zeros(2, 1), torch.zeros(2, 1, dtype=torch.int64)
    assert TabularEncoder().module_arguments({"numbers": numbers, "codes": codes}) == (numbers, codes)
    assert TabularEncoder().module_arguments({"numbers": numbers, "codes": codes[:, :0]}) == (numbers,)


def test_what_encoders_ask_for():
    assert Encoder().reading == ImageEncoder().reading == {}
    assert TextEncoder().reading == {"tokenizer": "word"}
    assert BagEncoder().reading == {"tokenizer": "ngram"}


def test_the_base_builds_nothing():
    with pytest.raises(NotImplementedError):
        Encoder().build(None)
