"""Imports of what only an extra installs."""

import importlib

__all__ = ["import_extra"]


def import_extra(module, extra, what_for):
    """Return a module, or raise ImportError with the line that installs it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"{what_for} needs the package {module}, which cannot be imported here ({error}). "
            f'Install it: pip install "sklearn-mm[{extra}]"'
        ) from error
