"""scikit-learn's callbacks, which are there from version 1.9 on; before it, estimators speak to nobody."""

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # scikit-learn < 1.9

    class _NoContext:
        """What stands in for a `CallbackContext` that no callback listens to."""

        def subcontext(self, **kwargs):
            return self

        def call_on_fit_task_begin(self, **kwargs):
            return self

        def call_on_fit_task_end(self, **kwargs):
            return False

    class CallbackSupportMixin:
        """Base of estimators that would have ``set_callbacks``."""

        def _init_callback_context(self, **kwargs):
            return _NoContext()


__all__ = ["CallbackSupportMixin"]
