import copy
import inspect
import pickle
import subprocess
import sys
from numbers import Integral

import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.utils import estimator_html_repr

from sklearn_mm.utils._declared_parameters import parameter, with_parameters
from sklearn_mm.utils._validation import Interval

COLUMNS = """str or int
    Which columns
    are read."""


@with_parameters
class Reading:
    left: str | int = parameter(default="auto", kw_only=False, doc=COLUMNS)
    right: str | int = parameter(default="auto", kw_only=False, doc=COLUMNS)
    memory: str | None = parameter(
        default=None,
        constraints=[str, None],
        doc="""str or None
        Folder of the {things}.""",
    )


@with_parameters
class Training:
    lr: float = parameter(default=2e-3, constraints=[float], doc="float\nPeak learning rate.")
    depth: int = parameter(
        default=3, constraints=[Interval(Integral, 1, None, closed="left")], doc="int\nHow deep it goes."
    )


@with_parameters
class Model(Training, Reading, BaseEstimator):
    """Predict {things}.

    All of them.

    Attributes
    ----------
    things_ : list
        The {things}.
    """

    _doc_words = {"things": "pictures"}

    loss: str = parameter(default="squared", constraints=[str], before="lr", doc="str\nWhat is learnt.")
    depth: int = parameter(default=4)

    def fit(self, X, y=None):
        return self


@with_parameters
class Deeper(Model):
    """Predict better."""

    depth: int = parameter(default=9, doc="int\nDeep.")
    extra: bool = parameter(default=False, constraints=["boolean"], before="absent", doc="bool\nMore.")


class ByHand(Model):
    """Predict by hand."""

    def __init__(self, left="auto", *, depth=5, threshold=0.5):
        super().__init__(left, depth=depth)
        self.threshold = threshold


class Plain(Model):
    pass


def test_signature_has_the_last_base_first_and_positional_parameters_before_others():
    assert str(inspect.signature(Model)) == (
        "(left: str | int = 'auto', right: str | int = 'auto', *, memory: str | None = None, loss: str = 'squared', "
        "lr: float = 0.002, depth: int = 4)"
    )
    assert str(inspect.signature(Deeper)) == str(inspect.signature(Model)).replace(
        "depth: int = 4)", "depth: int = 9, extra: bool = False)"
    )
    assert inspect.signature(Model.__init__).parameters["self"]
    assert Model.__init__.__qualname__ == "Model.__init__"
    assert Model.__init__.__module__ == __name__
    assert not hasattr(Model, "depth")


def test_types_that_are_strings_are_evaluated_where_they_can_be():
    @with_parameters
    class Known(Training):
        lr: "Interval | float" = parameter(default=1.0)
        bare = parameter(default=2)

    @with_parameters
    class Unknown(Known):
        bare: "NotImported" = parameter(default=3)  # noqa: F821

    assert Known.__init__.__annotations__ == {"lr": Interval | float, "depth": int}
    assert Unknown.__init__.__annotations__ == {"lr": Interval | float, "depth": int, "bare": "NotImported"}


class Undecorated(Model):
    """Forgets the decorator."""

    width: int = parameter(default=8)


class UndecoratedAnew(Model):
    """Forgets it, and declares a parameter that its base has."""

    depth: int = parameter(default=8)


def test_fields_say_that_the_decorator_was_forgotten():
    message = r"^{0} declares the parameter '{1}', .*: write @with_parameters above class {0}\.$"
    with pytest.raises(TypeError, match=message.format("Undecorated", "width")):
        Undecorated().width  # noqa: B018
    with pytest.raises(TypeError, match=message.format("UndecoratedAnew", "depth")):
        UndecoratedAnew()


def test_init_stores_and_refuses_as_others_do():
    thing = object()
    model = Model("a", memory=thing)
    assert vars(model) == {
        "left": "a", "right": "auto", "memory": thing, "loss": "squared", "lr": 2e-3, "depth": 4
    }  # fmt: skip
    with pytest.raises(TypeError, match=r"Model.__init__\(\) takes from 1 to 3 positional arguments but 4 were given"):
        Model("a", "b", "c")
    with pytest.raises(TypeError, match=r"Model.__init__\(\) got an unexpected keyword argument 'width'"):
        Model(width=3)


def test_docstring_has_the_section_where_numpydoc_wants_it():
    assert inspect.getdoc(Model) == inspect.cleandoc(
        """Predict pictures.

        All of them.

        Parameters
        ----------
        left, right : str or int, default="auto"
            Which columns
            are read.
        memory : str or None, default=None
            Folder of the pictures.
        loss : str, default="squared"
            What is learnt.
        lr : float, default=2e-3
            Peak learning rate.
        depth : int, default=4
            How deep it goes.

        Attributes
        ----------
        things_ : list
            The pictures.
        """
    )


def test_docstring_without_sections_ends_with_it():
    assert inspect.getdoc(Deeper).startswith("Predict better.\n\nParameters\n----------\nleft, right : ")
    assert inspect.getdoc(Deeper).endswith("depth : int, default=9\n    Deep.\nextra : bool, default=False\n    More.")
    assert "Folder of the pictures." in inspect.getdoc(Deeper)


def test_docstring_that_has_the_section_is_left_alone():
    @with_parameters
    class Own(Model):
        """Own.

        Parameters
        ----------
        left
            Own words.
        """

    assert inspect.getdoc(Own) == "Own.\n\nParameters\n----------\nleft\n    Own words."


def test_class_without_docstring_gets_none():
    @with_parameters
    class Silent:
        a: int = parameter(default=1)

    assert Silent.__doc__ is None


@pytest.mark.parametrize(
    ("default", "written"),
    [
        ("auto", '"auto"'),
        (2e-3, "2e-3"),
        (1e-2, "1e-2"),
        (0.1, "0.1"),
        (0.25, "0.25"),
        (0.0, "0.0"),
        (float("inf"), "inf"),
        (None, "None"),
        (20, "20"),
        ((1, 2), "(1, 2)"),
    ],
)
def test_defaults_are_written_short_and_as_python_reads_them(default, written):
    @with_parameters
    class One:
        """One."""

        a: object = parameter(default=default)

    assert One.__doc__.endswith(f"a : default={written}")


def test_constraints_come_with_the_parameters():
    assert set(Model._parameter_constraints) == {"memory", "loss", "lr", "depth"}
    assert Model._parameter_constraints["depth"] is Training._parameter_constraints["depth"]
    assert Deeper._parameter_constraints["extra"] == ["boolean"]
    with pytest.raises(ValueError, match="The 'depth' parameter of Model must be an int in the range"):
        Model(depth=0)._validate_params()


def test_constraints_that_are_written_by_hand_stay():
    @with_parameters
    class Half(BaseEstimator):
        _parameter_constraints = {"left": [str]}

        left: str = parameter(default="auto")
        depth: int = parameter(default=1, constraints=[int])

    assert Half._parameter_constraints == {"left": [str], "depth": [int]}


@pytest.mark.parametrize("cls", [Model, Deeper, ByHand, Plain])
def test_classes_are_estimators(cls):
    model = cls(left="a", depth=7)
    for other in [clone(model), pickle.loads(pickle.dumps(model)), copy.deepcopy(model)]:
        assert type(other) is cls
        assert other.get_params() == model.get_params()
        assert other.get_params()["depth"] == 7
    assert repr(model) == f"{cls.__name__}(depth=7, left='a')"
    assert model.set_params(depth=2).depth == 2
    assert cls.__name__ in estimator_html_repr(model)
    with pytest.raises(ValueError, match="Invalid parameter 'width'"):
        model.set_params(width=2)


def test_subclass_with_an_init_of_its_own_keeps_it():
    assert list(inspect.signature(ByHand).parameters) == ["left", "depth", "threshold"]
    assert vars(ByHand("a"))["memory"] is None
    assert inspect.getdoc(ByHand) == "Predict by hand."
    assert str(inspect.signature(Plain)) == str(inspect.signature(Model))


def test_of_two_that_declare_a_parameter_the_first_in_the_mro_wins():
    @with_parameters
    class Slow:
        epochs: int = parameter(default=100, constraints=[int], doc="int\nMany.")
        patience: int = parameter(default=10)

    @with_parameters
    class Fast:
        speed: float = parameter(default=1.0)
        epochs: int = parameter(default=5)

    @with_parameters
    class Both(Fast, Slow):
        """Both."""

    @with_parameters
    class BothTurned(Slow, Fast):
        """Both."""

    assert str(inspect.signature(Both)) == "(*, epochs: int = 5, patience: int = 10, speed: float = 1.0)"
    assert str(inspect.signature(BothTurned)) == "(*, speed: float = 1.0, epochs: int = 100, patience: int = 10)"
    assert "epochs : int, default=5\n    Many." in Both.__doc__
    assert Both._parameter_constraints == BothTurned._parameter_constraints == {"epochs": [int]}
    assert (Both().epochs, BothTurned().epochs, Slow().epochs) == (5, 100, 100)


def test_parameters_of_an_init_by_hand_are_not_lost_silently():
    with pytest.raises(TypeError, match=r"Further .* by hand has threshold as well"):

        @with_parameters
        class Further(ByHand):
            more: int = parameter(default=1)


def test_class_of_a_notebook_travels_to_other_processes():
    cloudpickle = pytest.importorskip("cloudpickle")  # joblib's, which older ones have inside
    code = "\n".join(
        [
            "from sklearn.base import BaseEstimator",
            "from sklearn_mm.utils._declared_parameters import parameter, with_parameters",
            "@with_parameters",
            "class Local(BaseEstimator):",
            "    depth: int = parameter(default=1, constraints=[int])",
        ]
    )
    namespace = {"__name__": "__main__"}
    exec(code, namespace)
    load = "import pickle, sys; m = pickle.load(sys.stdin.buffer); print(m.get_params(), type(m)(), type(m)().depth)"
    data = cloudpickle.dumps(namespace["Local"](depth=2))
    done = subprocess.run([sys.executable, "-c", load], input=data, capture_output=True, check=True)
    assert done.stdout.split(b"\n")[0].strip() == b"{'depth': 2} Local() 1"
