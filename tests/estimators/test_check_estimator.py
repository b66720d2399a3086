"""scikit-learn's own checks, on numeric arrays."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_mm import MultimodalClassifier, MultimodalRegressor

ESTIMATORS = [MultimodalClassifier(max_epochs=1), MultimodalRegressor(max_epochs=1)]


def expected_failed_checks(estimator):
    return {
        "check_sample_weight_equivalence_on_dense_data": (
            "holds to the precision of float32 (see test_fit.py), and the check asks for 1e-7"
        )
    }


@pytest.mark.slow
@parametrize_with_checks(ESTIMATORS, expected_failed_checks=expected_failed_checks)
def test_check_estimator(estimator, check):
    check(estimator)
