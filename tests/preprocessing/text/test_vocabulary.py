from collections import Counter

from sklearn_mm.preprocessing.text._vocabulary import most_frequent


def test_most_frequent():
    counts = Counter({"b": 3, "a": 3, "c": 5, "d": 1, "[PAD]": 9})
    assert most_frequent(counts, 5, 1) == {"[PAD]": 0, "[UNK]": 1, "c": 2, "a": 3, "b": 4}
    assert most_frequent(counts, 99, 4) == {"[PAD]": 0, "[UNK]": 1, "c": 2}
