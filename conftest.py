"""Settings of all tests and doctests."""

import importlib.util
import tempfile

import pytest

if importlib.util.find_spec("sklearn.callback") is None:  # scikit-learn < 1.9, whose callbacks this page shows
    collect_ignore = ["docs/guide/scikit_learn.rst"]


@pytest.fixture(scope="session", autouse=True)
def data_home():
    """Unpack data sets into a temporary folder, never into the user's home."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKLEARN_MM_DATA", folder)
        yield folder
