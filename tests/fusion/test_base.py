import pytest

from sklearn_mm.fusion import Fusion


def test_the_base_owes_everything():
    assert not Fusion.gives_outputs
    with pytest.raises(NotImplementedError):
        Fusion().build({"image": 3}, 2)
    with pytest.raises(NotImplementedError):
        Fusion().forward({}, None)
