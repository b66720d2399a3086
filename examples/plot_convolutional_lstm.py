"""
Convolutions, an LSTM and concatenation
=======================================

The multilayer model that tutorials draw, written with public classes in under ten lines: two convolutions with
pooling, flattened; an embedding, an LSTM that gives its whole sequence and a dense layer, flattened; both side by
side; a softmax.
"""

from sklearn_mm import ImageInput, MultimodalClassifier, TextInput
from sklearn_mm.datasets import load_emoji
from sklearn_mm.encoders import CNNEncoder, RNNEncoder

X, y = load_emoji(return_X_y=True)
model = MultimodalClassifier(
    image=ImageInput("image", encoder=CNNEncoder((32, 64), padding="valid", norm=None, pool="flatten"), augment=None),
    text=TextInput("text", encoder=RNNEncoder(embedding_dim=128, hidden_size=64, dense_units=64, pool="flatten")),
    fusion="concat",
    head="linear",
    wide=None,
    max_epochs=2,
    random_state=0,
).fit(X, y)

# %%
# Its layers, with their numbers of weights.
for name, layer in model.net_.module_.named_modules():
    if not list(layer.children()) and list(layer.parameters(recurse=False)):
        print(f"{name:28} {layer!s:60.60} {sum(p.numel() for p in layer.parameters()):>9,}")
print(model.history_[-1])
