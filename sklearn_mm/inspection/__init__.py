"""Look at tables and at what was found in them: near-duplicates, and results of searches as pictures."""

from sklearn_mm.inspection._duplicates import Duplicates, find_duplicates
from sklearn_mm.inspection._retrieval_display import RetrievalDisplay

__all__ = ["Duplicates", "RetrievalDisplay", "find_duplicates"]
