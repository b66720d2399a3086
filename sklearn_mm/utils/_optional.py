"""Imports of what only an extra installs, or what users install themselves."""

import importlib

__all__ = ["import_beside_torchvision", "import_extra"]


def import_extra(module, extra, what_for):
    """Return a module, or raise ImportError with the line that installs it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"{what_for} needs the package {module}, which cannot be imported here ({error}). "
            f'Install it: pip install "sklearn-mm[{extra}]"'
        ) from error


def import_beside_torchvision(module, package, what_for):
    """Return a module that no extra installs, because it brings torchvision; or raise ImportError with the way out."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"{what_for} needs the package {package}, which cannot be imported here ({error}). Install it, with the "
            f"torchvision of your torch: pip install {package} torchvision"
        ) from error
