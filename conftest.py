"""Settings of all tests and doctests."""

import tempfile

import pytest


@pytest.fixture(scope="session", autouse=True)
def data_home():
    """Unpack data sets into a temporary folder, never into the user's home."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKLEARN_MM_DATA", folder)
        yield folder
