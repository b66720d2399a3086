"""Processes that are forked from one that has computed already, as servers and multiprocessing make them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import sklearn_mm

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

COMMON = """
import multiprocessing, os, signal, sys, threading, time
import numpy as np, pandas as pd, torch
from sklearn.base import clone
from skorch.callbacks import Callback
from sklearn_mm import ImageInput, MultimodalClassifier
from sklearn_mm.networks import WideLinear
from sklearn_mm.preprocessing import ImageTransformer
from sklearn_mm.training._net import MultimodalNet

torch.set_num_threads(2)
rng = np.random.default_rng(0)
X = pd.DataFrame({
    "number": rng.normal(size=100),
    "text": [f"w{a} v{b}" for a, b in rng.integers(9, size=(100, 2))],
    "picture": [rng.integers(0, 255, (24, 24, 3), dtype=np.uint8) for _ in range(100)],
})
y = np.where(X["number"] > 0, "yes", "no")
image = ImageInput("picture", transformer=ImageTransformer(16))
clf = MultimodalClassifier(image=image, wide=WideLinear(n_folds=2), batch_size=50, max_epochs=1, random_state=0)

def fit_again():
    torch.manual_seed(3)
    fitted = clone(clf).set_params(skorch_callbacks=None, max_epochs=1).fit(X, y)
    assert fitted.predict(X).shape == (100,)

def in_a_thread(function):
    errors = []
    def run():
        try:
            function()
        except BaseException as error:
            errors.append(error)
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert not errors, errors

def forked(function):
    process = multiprocessing.get_context("fork").Process(target=function)
    process.start()
    process.join(60)
    code = process.exitcode
    process.kill()
    assert code == 0, f"{function}: exit code {code}; None is that of one that hangs"
"""

SERVER = """
clf.fit(X, y)
expected = clf.predict_proba(X)

def answer():
    assert torch.get_num_threads() == 1
    np.testing.assert_allclose(clf.predict_proba(X), expected, atol=1e-5)
    clf.set_params(warm_start=True).fit(X, y)

forked(answer)
forked(lambda: in_a_thread(answer))
forked(fit_again)
forked(lambda: forked(answer))
assert torch.get_num_threads() == 2

child = os.fork()
if child == 0:
    answer()
    os._exit(0)
for _ in range(600):
    done, status = os.waitpid(child, os.WNOHANG)
    if done:
        break
    time.sleep(0.1)
else:
    os.kill(child, signal.SIGKILL)
assert done == child and status == 0, status
"""

DURING_A_FIT = """
def while_it_fits(callbacks):
    \"\"\"Fork from another thread than that of a fit, which goes on for as long.\"\"\"
    begun, over = threading.Event(), threading.Event()

    def on_step():
        begun.set()
        if over.is_set():
            raise RuntimeError("over")

    class Slow(Callback):
        def on_batch_end(self, net, **kwargs):
            on_step()

    train_step = MultimodalNet.train_step

    def step(self, *args, **kwargs):
        on_step()
        return train_step(self, *args, **kwargs)

    def train():
        model = clone(clf).set_params(max_epochs=1000, max_time=60)
        model.set_params(skorch_callbacks=[Slow()] if callbacks else None)
        try:
            model.fit(X, y)
        except RuntimeError:
            pass

    def look():
        MultimodalNet.train_step = train_step
        assert torch.equal(torch.get_rng_state(), found), "the child is not to find the generator as the fit has it"
        fit_again()

    torch.manual_seed(7)
    found = torch.get_rng_state()
    if not callbacks:
        MultimodalNet.train_step = step
    thread = threading.Thread(target=train, daemon=True)
    thread.start()
    assert begun.wait(60)
    assert not torch.equal(torch.get_rng_state(), found)
    for _ in range(2):
        forked(look)
    assert thread.is_alive()
    over.set()
    thread.join(60)
    assert not thread.is_alive()
    MultimodalNet.train_step = train_step

while_it_fits(callbacks=True)
while_it_fits(callbacks=False)
"""

IN_A_CALLBACK = """
class Forks(Callback):
    def on_epoch_end(self, net, **kwargs):
        forked(fit_again)

clf.set_params(skorch_callbacks=[Forks()]).fit(X, y)
plain = clone(clf).set_params(skorch_callbacks=None).fit(X, y)
np.testing.assert_array_equal(clf.predict_proba(X), plain.predict_proba(X))
"""


@pytest.mark.slow
def test_a_forked_process_predicts_and_fits():
    environment = {**os.environ, "PYTHONPATH": str(Path(sklearn_mm.__file__).parents[1])}
    environment.pop("OMP_NUM_THREADS", None)
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", COMMON + SERVER + IN_A_CALLBACK + DURING_A_FIT],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=240)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)  # children too
        raise
    assert process.returncode == 0, output
