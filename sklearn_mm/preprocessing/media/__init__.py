"""What pictures, sound and video share: cells that are loaded, decoded in threads, reported and kept in a store.

Imports `cells` and `containers`.
"""

from sklearn_mm.preprocessing.media._decoder import MediaDecoder
from sklearn_mm.preprocessing.media._transformer import MediaTransformer
from sklearn_mm.preprocessing.media._unreadable import UnreadableError

__all__ = ["MediaDecoder", "MediaTransformer", "UnreadableError"]
