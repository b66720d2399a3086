"""Properties that hold for every multimodal estimator and every transformer of cells, on data of one's own."""

import copy
import pickle
import tempfile
from functools import partial

import numpy as np
import pandas as pd
import torch
from joblib import Parallel, delayed
from sklearn.base import clone, is_classifier

from sklearn_mm.preprocessing.cells._lists import is_list

__all__ = ["yield_estimator_checks", "yield_transformer_checks"]

METHODS = ("predict", "predict_proba", "decision_function", "transform", "kneighbors")


def yield_estimator_checks(estimator, X, y):
    """Yield pairs of a name and a check without parameters; ``X`` is a pandas DataFrame of at least 12 rows."""
    for check in (
        check_fit_changes_no_parameter_and_no_data,
        check_same_seed_same_outputs,
        check_global_random_state,
        check_rows_are_independent,
        check_one_output_per_row,
        check_kinds_of_missing_cells_are_one,
        check_order_in_lists_does_not_matter,
        check_columns_are_found_by_name,
        check_tables_of_polars,
        check_memory,
        check_threads,
        check_prediction_changes_no_attribute,
        check_pickle,
        check_string_labels,
    ):
        yield check.__name__, partial(check, clone(estimator), X, y)


def yield_transformer_checks(transformer, column):
    """Yield pairs of a name and a check without parameters; ``column`` holds at least 4 cells, none of them missing."""
    for check in (
        check_transformer_fit_changes_no_parameter,
        check_transformer_fit_transform_is_fit_then_transform,
        check_transformer_rows_are_independent,
        check_transformer_missing_cells,
        check_transformer_transform_changes_no_attribute,
        check_transformer_pickle,
        check_transformer_spec_tells_the_truth,
    ):
        yield check.__name__, partial(check, clone(transformer), column)


def _outputs(estimator, X):
    """Return what an estimator says of each row, by method; of neighbours distances, which do not depend on ties."""
    outputs = {name: getattr(estimator, name)(X) for name in METHODS if hasattr(estimator, name)}
    return {name: output[0] if name == "kneighbors" else output for name, output in outputs.items()}


def _is_search(estimator):
    """Whether rows are queries: they may lack whole blocks, and must have something."""
    return hasattr(estimator, "kneighbors")


def _reader(estimator):
    """Return what reads the rows: a fitted estimator itself, or what makes vectors for its search."""
    return getattr(estimator, "embedder_", estimator)


def _seed(estimator, seed):
    """Set the seed of an estimator, or of its parts; return whether there is any."""
    names = [name for name in estimator.get_params() if name.split("__")[-1] == "random_state"]
    estimator.set_params(**dict.fromkeys(names, seed))
    return bool(names)


def _message(estimator, X):
    """Return what an error says of rows that an estimator does not take, nothing if there is none."""
    try:
        _outputs(estimator, X)
    except ValueError as error:
        return str(error)
    return ""


def _assert_close(first, second, what):
    for name in first:
        if first[name].dtype.kind == "f":
            np.testing.assert_allclose(first[name], second[name], rtol=1e-3, atol=1e-4, err_msg=f"{what}: {name}")
        else:  # labels, which may differ where two are equally likely
            assert np.mean(first[name] == second[name]) > 0.9, f"{what}: {name}"


def _assert_equal_rows(first, second):
    """Compare arrays, or `Ragged` rows, of which each is an array."""
    for row, (one, other) in enumerate(zip(first, second, strict=True)):
        np.testing.assert_array_equal(one, other, err_msg=f"row {row}")


def _frozen(value):
    """Return a value's bytes, for comparison."""
    return pickle.dumps(value)


def check_fit_changes_no_parameter_and_no_data(estimator, X, y):
    """The user's parameters, components and table are as before."""
    parameters, table, target = repr(estimator.get_params()), X.copy(deep=True), copy.deepcopy(y)
    _outputs(estimator.fit(X, y), X)
    assert repr(estimator.get_params()) == parameters
    pd.testing.assert_frame_equal(X, table)
    np.testing.assert_array_equal(y, target)


def check_same_seed_same_outputs(estimator, X, y):
    """The same seed gives the same bits."""
    if not _seed(estimator, 7):
        return
    first, second = (_outputs(clone(estimator).fit(X, y), X) for _ in range(2))
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


def check_global_random_state(estimator, X, y):
    """The generators of torch and NumPy are where they were."""
    states = torch.get_rng_state(), _frozen(np.random.get_state())  # noqa: NPY002
    _outputs(estimator.fit(X, y), X)
    assert torch.equal(states[0], torch.get_rng_state())
    assert states[1] == _frozen(np.random.get_state())  # noqa: NPY002


def check_rows_are_independent(estimator, X, y):
    """Order, subset and batch size of the rows do not change what is said of each."""
    estimator.fit(X, y)
    whole = _outputs(estimator, X)
    order = np.random.default_rng(0).permutation(len(X))
    _assert_close(_outputs(estimator, X.iloc[order]), {name: out[order] for name, out in whole.items()}, "row order")
    _assert_close(_outputs(estimator, X.iloc[:3]), {name: out[:3] for name, out in whole.items()}, "row subset")
    single = [_outputs(estimator, X.iloc[[row]]) for row in range(4)]
    _assert_close(
        {name: np.concatenate([out[name] for out in single]) for name in whole},
        {name: out[:4] for name, out in whole.items()},
        "one row at a time",
    )
    if hasattr(_reader(estimator), "net_"):
        _reader(estimator).net_.batch_size = 5
        _assert_close(_outputs(estimator, X), whole, "batch size")


def check_one_output_per_row(estimator, X, y):
    """A row with nothing in it gets a finite output like any other; an error names it if rows are queries."""
    estimator.fit(X, y)
    emptied = X.astype(object)
    emptied.iloc[1] = None
    if _is_search(estimator):
        message = _message(estimator, emptied)
        assert "row 1" in message, f"no error names row 1, a query with nothing in it: {message!r}"
        emptied = emptied.iloc[2:]
    for name, output in _outputs(estimator, emptied).items():
        assert len(output) == len(emptied), name
        assert output.dtype.kind != "f" or np.isfinite(output).all(), name


def check_kinds_of_missing_cells_are_one(estimator, X, y):
    """None, NaN and pd.NA mean the same, in each column."""
    estimator.fit(X, y)
    outputs = []
    for missing in (None, np.nan, pd.NA):
        emptied = X.astype(object)
        for place in range(X.shape[1]):  # each column in a row of its own
            emptied.iloc[place % len(X), place] = missing
        outputs.append(_outputs(estimator, emptied))
    for other in outputs[1:]:
        for name in other:
            message = f"{name}: row i lacks column i of {list(X.columns)}"
            np.testing.assert_array_equal(other[name], outputs[0][name], err_msg=message)


def check_order_in_lists_does_not_matter(estimator, X, y):
    """Where cells are lists, the order of what is in them changes no output."""
    if not X.map(is_list).any(axis=None):
        return
    estimator.fit(X, y)
    turned = X.copy()
    for block, spec in _reader(estimator).specs_.items():
        if spec.pool is not None:
            column = turned[block]
            turned[block] = pd.Series([c[::-1] if is_list(c) else c for c in column], index=X.index, dtype=object)
    _assert_close(_outputs(estimator, turned), _outputs(estimator, X), "order in lists")


def check_columns_are_found_by_name(estimator, X, y):
    """Columns may come in another order, with others beside them; one that is missing is named.

    Queries may lack a block, and then need none of its columns.
    """
    estimator.fit(X, y)
    whole = _outputs(estimator, X)
    _assert_close(_outputs(estimator, X[X.columns[::-1]].assign(another_column=1)), whole, "reordered columns")
    columns_of_blocks = [spec.columns for spec in _reader(estimator).specs_.values()]
    used = {column for columns in columns_of_blocks for column in columns}
    if _is_search(estimator) and len(columns_of_blocks) > 1:
        used -= {columns[0] for columns in columns_of_blocks if len(columns) == 1}
    for column in X.columns:
        message = _message(estimator, X.drop(columns=column))
        if column in used:
            assert str(column) in message, f"no error names the missing column {column!r}: {message!r}"
        else:
            assert not message, f"column {column!r} is not used, but must not be missing: {message}"


def check_tables_of_polars(estimator, X, y):
    """Rows of a table of polars are read as those of pandas are, if it is there."""
    try:
        import polars
    except ImportError:
        return
    estimator.fit(X, y)
    columns = [
        polars.Series(str(name), list(column), dtype=polars.Object if column.dtype.kind == "O" else None)
        for name, column in X.items()
    ]
    _assert_close(_outputs(estimator, polars.DataFrame(columns)), _outputs(estimator, X), "polars")


def check_memory(estimator, X, y):
    """With a folder that keeps what was read, outputs have the same bits."""
    names = [name for name in estimator.get_params() if name in ("memory", "embedder__memory")]
    if not (_seed(estimator, 0) and names):
        return
    whole = _outputs(clone(estimator).fit(X, y), X)
    with tempfile.TemporaryDirectory() as folder:
        estimator.set_params(**dict.fromkeys(names, folder))
        for what in ("written", "read"):
            for name, output in _outputs(clone(estimator).fit(X, y), X).items():
                np.testing.assert_array_equal(output, whole[name], err_msg=f"{name}: memory {what}")


def check_threads(estimator, X, y):
    """Outputs in two threads at once are those in one."""
    estimator.fit(X, y)
    whole = _outputs(estimator, X)
    for outputs in Parallel(2, "threading")(delayed(_outputs)(estimator, X) for _ in range(2)):
        _assert_close(outputs, whole, "threads")


def check_prediction_changes_no_attribute(estimator, X, y):
    """Methods for prediction learn nothing."""
    estimator.fit(X, y)
    reader = _reader(estimator)
    weights = copy.deepcopy(reader.net_.module_.state_dict()) if hasattr(reader, "net_") else {}

    def attributes():
        return [
            {name: _frozen(value) for name, value in vars(part).items() if name not in ("net_", "embedder_")}
            for part in (estimator, reader)
        ]

    before = attributes()
    _outputs(estimator, X)
    assert attributes() == before
    for name, value in weights.items():
        assert torch.equal(value, reader.net_.module_.state_dict()[name]), name


def check_pickle(estimator, X, y):
    """A copy through pickle gives the same outputs."""
    estimator.fit(X, y)
    twin = pickle.loads(pickle.dumps(estimator))
    whole = _outputs(estimator, X)
    for name, output in _outputs(twin, X).items():
        np.testing.assert_array_equal(output, whole[name], err_msg=name)


def check_string_labels(estimator, X, y):
    """A classifier gives back the labels it was taught, of any type."""
    if not is_classifier(estimator) or np.ndim(y) > 1:
        return
    codes = np.unique(y, return_inverse=True)[1]
    numbers = clone(estimator).set_params(random_state=0).fit(X, codes)
    words = clone(estimator).set_params(random_state=0).fit(X, np.array(["ape", "bee", "cow", "dog"])[codes % 4])
    assert set(words.predict(X)) <= {"ape", "bee", "cow", "dog"}
    if codes.max() < 4:
        np.testing.assert_array_equal(words.predict_proba(X), numbers.predict_proba(X))


def check_transformer_fit_changes_no_parameter(transformer, column):
    """``__init__`` parameters are as before."""
    parameters = repr(transformer.get_params())
    transformer.fit(column)
    assert repr(transformer.get_params()) == parameters


def check_transformer_fit_transform_is_fit_then_transform(transformer, column):
    """Both ways give one row per cell, and the same."""
    array = clone(transformer).fit_transform(column)
    assert len(array) == len(column)
    _assert_equal_rows(array, transformer.fit(column).transform(column))


def check_transformer_rows_are_independent(transformer, column):
    """Order and subset of the cells do not matter."""
    array = transformer.fit(column).transform(column)
    order = np.random.default_rng(0).permutation(len(column))[:-1]
    _assert_equal_rows(transformer.transform(column.iloc[order]), array[order])


def check_transformer_missing_cells(transformer, column):
    """Missing cells are absent rows of zeros, whatever stands for missing."""
    transformer.fit(column)
    array, _ = transformer.read(column)
    for missing in (None, np.nan, pd.NA):
        emptied = column.astype(object)
        emptied.iloc[1] = missing
        other, present = transformer.read(emptied)
        np.testing.assert_array_equal(present, np.arange(len(column)) != 1)
        assert not other[1].any()
        _assert_equal_rows(other[2:], array[2:])


def check_transformer_transform_changes_no_attribute(transformer, column):
    """``transform`` learns nothing."""
    transformer.fit(column)
    before = _frozen(transformer)
    transformer.transform(column[::-1])
    assert _frozen(transformer) == before


def check_transformer_pickle(transformer, column):
    """A copy through pickle reads the same."""
    transformer.fit(column)
    twin = pickle.loads(pickle.dumps(transformer))
    _assert_equal_rows(twin.transform(column), transformer.transform(column))
    assert twin.spec_ == transformer.spec_


def check_transformer_spec_tells_the_truth(transformer, column):
    """``spec_`` has the shape of a row."""
    array = transformer.fit_transform(column)
    assert tuple(array.shape[1:]) == transformer.spec_.shape
