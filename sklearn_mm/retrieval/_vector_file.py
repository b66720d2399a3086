"""Vectors in a file (safetensors), half as wide as in memory and checksummed: read a slice at a time, never mapped."""

import hashlib
import json
import os
from contextlib import suppress
from uuid import uuid4

import numpy as np

__all__ = ["VectorFile", "digest_of", "write_vectors"]

_HEADER_BYTES = 320
_READ_BYTES = 2**24


def write_vectors(folder, parts):
    """Write vectors to a new file in a folder, and return it.

    Parameters
    ----------
    folder : str
        Made if need be.
    parts : iterable of array of shape (n, width)
        The rows, from the first to the last; at least one part.

    Returns
    -------
    file : VectorFile
        Named after what is in it. Tensors are called "vectors", and are float16.
    """
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise type(error)(
            f"Vectors cannot be kept in the folder {folder!r} ({error.strerror}). Give one that can be written to."
        ) from error
    unfinished = os.path.join(folder, f"{uuid4().hex}.part")
    digest, shape = hashlib.blake2b(digest_size=16), (0, 0)
    try:
        with open(unfinished, "xb") as file:
            file.write(b" " * _HEADER_BYTES)
            for part in parts:
                content = np.ascontiguousarray(part, dtype="<f2")
                digest.update(content)
                file.write(content)
                shape = shape[0] + len(content), content.shape[1]
            file.seek(0)
            file.write(_header(*shape, digest.hexdigest()))
            file.flush()
            os.fsync(file.fileno())
        path = os.path.join(folder, f"vectors-{digest.hexdigest()}.safetensors")
        os.replace(unfinished, path)
    finally:
        with suppress(FileNotFoundError):
            os.remove(unfinished)
    return VectorFile(path, shape, digest.hexdigest())


def digest_of(array):
    """Return the digest of an array in memory, that of a file with the same vectors if it is float16."""
    return hashlib.blake2b(np.ascontiguousarray(array), digest_size=16).hexdigest()


def _header(n_rows, width, digest):
    """Return what a file begins with: the length of the description, and the description (JSON)."""
    tensor = {"dtype": "F16", "shape": [n_rows, width], "data_offsets": [0, 2 * n_rows * width]}
    description = json.dumps({"__metadata__": {"blake2b": digest}, "vectors": tensor}).encode()
    return (_HEADER_BYTES - 8).to_bytes(8, "little") + description.ljust(_HEADER_BYTES - 8)


class VectorFile:
    """The rows of a file, as slices that are read when they are asked for.

    The whole file is verified when it is first read in a process, and again when it has changed since. It is read and
    not mapped, since of a map that is cut short a look at its end would end the process.

    Parameters
    ----------
    path : str
        The file.
    shape : tuple of int
        Number of rows, and their length.
    digest : str
        Of what is in it.
    """

    dtype = np.dtype("<f2")

    def __init__(self, path, shape, digest):
        self.path = path
        self.shape = shape
        self.digest = digest
        self._verified = None  # size and time of the last change of the file that was verified

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        start, stop, _ = rows.indices(len(self))
        array = np.empty((max(stop - start, 0), self.shape[1]), dtype=self.dtype)
        with self._opened() as file:
            file.seek(_HEADER_BYTES + start * self.shape[1] * self.dtype.itemsize)
            self._check(file.readinto(array) == array.nbytes)
        return array

    def _opened(self):
        """Return the file, open, its content verified."""
        try:
            file = open(self.path, "rb")  # noqa: SIM115
        except OSError as error:
            raise FileNotFoundError(
                f"The vectors in {self.path!r} cannot be read ({error.strerror}). Put the file back, or fit again."
            ) from error
        try:
            status = os.fstat(file.fileno())
            state = status.st_size, status.st_mtime_ns
            if state != self._verified:
                self._verify(file)
                self._verified = state
        except BaseException:
            file.close()
            raise
        return file

    def _verify(self, file):
        digest = hashlib.blake2b(digest_size=16)
        self._check(file.read(_HEADER_BYTES) == _header(*self.shape, self.digest))
        while content := file.read(_READ_BYTES):
            digest.update(content)
        self._check(digest.hexdigest() == self.digest)

    def _check(self, holds):
        if not holds:
            raise ValueError(
                f"The vectors in {self.path!r} are not those that were written: the file was changed or cut. Put it "
                "back as it was, or fit again."
            )

    def __deepcopy__(self, memo):
        return self
