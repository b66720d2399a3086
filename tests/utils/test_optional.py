import json

import pytest

from sklearn_mm.utils._optional import import_extra


def test_what_is_installed_is_imported():
    assert import_extra("json", "plot", "Plotting") is json


def test_what_is_not_names_the_line_that_installs_it():
    with pytest.raises(ImportError, match=r'^Plotting needs the package no_such_module.*"sklearn-mm\[plot\]"$'):
        import_extra("no_such_module", "plot", "Plotting")
