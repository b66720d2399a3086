import pytest
from sklearn.base import clone

from sklearn_mm.encoders import RNNEncoder
from sklearn_mm.inputs import ImageInput, InputsMixin, ModalityTransformer, TabularInput, TextInput
from sklearn_mm.preprocessing import ImageTransformer, TextTransformer


class Estimator(InputsMixin):
    def __init__(self, image="auto", text="auto", tabular="auto", *, inputs=None, alpha=1):
        self.image = image
        self.text = text
        self.tabular = tabular
        self.inputs = inputs
        self.alpha = alpha


@pytest.fixture
def long():
    return Estimator(inputs=[("title", TextInput("title", encoder=RNNEncoder())), ("front", ImageInput("front"))])


def test_keys_of_the_short_way():
    params = Estimator(image=ImageInput(), text="title").get_params()
    assert params["image__transformer__size"] == "auto"
    assert params["text"] == "title"
    assert not any(key.startswith("text__") for key in params)
    estimator = Estimator(image=ImageInput()).set_params(image__transformer__size=32, image__encoder="cnn", alpha=2)
    assert (estimator.image.transformer.size, estimator.image.encoder, estimator.alpha) == (32, "cnn", 2)


def test_keys_of_the_long_way(long):
    params = long.get_params()
    assert params["title__encoder__cell"] == "lstm"
    assert params["front"] is long.inputs[1][1]
    long.set_params(title__encoder__cell="gru", front=ImageInput("back"), front__transformer__size=8)
    assert long.inputs[0][1].encoder.cell == "gru"
    assert (long.inputs[1][1].columns, long.inputs[1][1].transformer.size) == ("back", 8)
    assert set(long.get_params(deep=False)) == {"image", "text", "tabular", "inputs", "alpha"}


def test_an_input_and_its_keys_at_once():
    estimator = Estimator().set_params(image=ImageInput("a"), image__transformer__size=8)
    assert estimator.image.transformer.size == 8


def test_clones_are_deep(long):
    twin = clone(long)
    assert twin.inputs[0][1] is not long.inputs[0][1]
    assert str(twin.get_params()) == str(long.get_params())


@pytest.mark.parametrize(
    ("estimator", "key", "way_out"),
    [
        (Estimator(), "image__transformer__size", "image=ImageInput(...)"),
        (Estimator(image="photo"), "image__transformer__size", "image=ImageInput('photo')"),
        (Estimator(image=["a", "b"]), "image__encoder", "image=ImageInput(['a', 'b'])"),
        (Estimator(text=None), "text__encoder__cell", "text=TextInput(...)"),
        (Estimator(text=TextInput()), "text__transformer__vocab_size", "TextInput(transformer=TextTransformer(...))"),
        (Estimator(), "tabular__transformer__scaling", "tabular=TabularInput(...)"),
        (Estimator(inputs=[("t", TextInput("t"))]), "t__transformer__vocab_size", "TextTransformer(...)"),
    ],
)
def test_keys_that_are_not_there_name_the_way_out(estimator, key, way_out):
    with pytest.raises(ValueError) as error:
        estimator.set_params(**{key: 1})
    assert way_out in str(error.value)
    assert "Invalid parameter" in str(error.value)


@pytest.mark.parametrize("key", ["photo__size", "photo", "image_"])
def test_unknown_keys_in_scikit_learns_words(key):
    with pytest.raises(ValueError, match=r"Invalid parameter .* for estimator Estimator"):
        Estimator().set_params(**{key: 1})


@pytest.mark.parametrize("value", [-1, 3.5, "x", None, [], {}, [1], [("a", 1)]], ids=repr)
def test_anything_can_be_stored(value):
    for name in ("image", "text", "tabular", "inputs"):
        estimator = Estimator().set_params(**{name: value})
        assert estimator.get_params(deep=True)[name] is value


def test_the_short_way_resolved():
    image = ImageInput("photo")
    inputs = Estimator(image=image, text=["a", 2], tabular=None)._resolved_inputs()
    assert list(inputs) == ["image", "audio", "text", "video", "tabular"]
    assert inputs["audio"] is inputs["video"] is None  # for which the class has no parameters
    assert inputs["image"] is not image
    assert (inputs["image"].columns, inputs["text"].columns, inputs["tabular"]) == ("photo", ["a", 2], None)
    assert type(inputs["text"]) is TextInput
    assert type(Estimator()._resolved_inputs()["tabular"]) is TabularInput


def test_the_long_way_resolved(long):
    inputs = long.set_params(image=None)._resolved_inputs()
    assert list(inputs) == ["title", "front"]
    assert inputs["title"] is not long.inputs[0][1]


def test_errors_carry_the_name_of_the_estimator():
    with pytest.raises(ValueError, match="The 'text' parameter of Estimator must be"):
        Estimator(text=2.5)._resolved_inputs()
    with pytest.raises(ValueError, match="`text` of Estimator takes Inputs of kind 'text'"):
        Estimator(text=ImageInput())._resolved_inputs()


def test_repr_and_html():
    transformer = ModalityTransformer(
        image=ImageInput(transformer=ImageTransformer(size=32)), text=TextInput(transformer=TextTransformer())
    )
    assert "ImageTransformer(size=32)" in repr(transformer)
    assert "ImageTransformer" in transformer._repr_html_()
