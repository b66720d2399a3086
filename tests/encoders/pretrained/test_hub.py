"""Names of pretrained models become folders: without a request where one is there, from the hub where none is."""

import hashlib
import http.server
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import sklearn_mm
from sklearn_mm.encoders.pretrained._hub import SHORT_NAMES, find_folder

hub = pytest.importorskip("huggingface_hub")

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(http.server.ThreadingHTTPServer):
    """A hub on this machine that has a repository, and counts what is asked of it."""

    def __init__(self, folder):
        super().__init__(("127.0.0.1", 0), Answer)
        self.folder = folder
        self.asked = []
        self.failing = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def names(self):
        return sorted(path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if path.is_file())


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(f"{self.command} {self.path}")
        path = self.path.partition("?")[0]
        if self.server.failing:
            return self.send_error(self.server.failing)
        if not re.match(r"(/api/models)?/org/model(/|$)", path):
            return self.send(404, b"{}", {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"})
        if path.startswith("/api/models/org/model/tree/"):
            return self.send(200, self.json(self.tree()))
        if path.startswith("/api/models/org/model"):
            if path.endswith("/revision/v9"):
                return self.send(
                    404, b"{}", {"X-Error-Code": "RevisionNotFound", "X-Error-Message": "No such revision"}
                )
            siblings = [{"rfilename": name} for name in self.server.names]
            return self.send(200, self.json({"id": "org/model", "sha": COMMIT, "siblings": siblings}))
        _, _, name = path.partition(f"/resolve/{COMMIT}/")
        if name not in self.server.names:
            return self.send(404, b"", {"X-Error-Code": "EntryNotFound"})
        content = (self.server.folder / name).read_bytes()
        headers = {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "X-Repo-Commit": COMMIT}
        return self.send(200, content, headers)

    do_HEAD = do_GET  # noqa: N815

    def tree(self):
        for name in self.server.names:
            content = (self.server.folder / name).read_bytes()
            yield {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}

    @staticmethod
    def json(content):
        return json.dumps(content if isinstance(content, dict) else list(content)).encode()

    def send(self, status, content, headers=None):
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *args):
        pass


WANTED = ["1_Pooling/config.json", "config.json", "model.safetensors", "modules.json", "tokenizer.json", "vocab.txt"]
UNWANTED = ["README.md", "onnx/config.json", "onnx/model.onnx", "pytorch_model.bin", "tf_model.h5", "rust_model.ot"]


@pytest.fixture
def server(tmp_path):
    """A hub with the model org/model."""
    folder = tmp_path / "repository"
    for name in WANTED + UNWANTED:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps([{"path": ""}] if name == "modules.json" else {"content": name}))
    with Hub(folder) as hub_here:
        thread = threading.Thread(target=hub_here.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield hub_here
        hub_here.shutdown()
        thread.join()


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


ROOT = Path(sklearn_mm.__file__).parent
FIND = """
import sys, types
root, name, revision = sys.argv[1:]
for package in ("", "/encoders", "/encoders/pretrained", "/utils"):  # without torch, which takes seconds
    module = types.ModuleType("sklearn_mm" + package.replace("/", "."))
    module.__path__ = [root + package]
    sys.modules[module.__name__] = module
from sklearn_mm.encoders.pretrained._hub import find_folder
try:
    print("found", find_folder(name, revision=revision or None))
except OSError as error:
    print(type(error).__name__, error)
"""


@pytest.fixture
def find(server, cache):
    """Call `find_folder` in a process of its own, whose hub is ours: the client reads its switches once."""

    def call(name, revision=None, **variables):
        settings = {"HF_ENDPOINT": server.url, "HF_HUB_CACHE": str(cache), "HF_HUB_DISABLE_XET": "1", "NO_PROXY": "*"}
        done = subprocess.run(
            [sys.executable, "-c", FIND, str(ROOT), name, revision or ""],
            env={**os.environ, **settings, **variables},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip(), done.stderr

    return call


def files_below(folder):
    return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file())


def test_a_hub_name_is_downloaded_once_and_then_found_without_a_request(find, server, cache):
    text, progress = find("org/model")
    folder = text.removeprefix("found ")
    assert Path(folder).is_relative_to(cache)
    assert files_below(folder) == WANTED
    assert "100%" in progress
    assert server.asked
    server.asked.clear()
    assert find("org/model")[0] == text
    assert find("org/model", HF_HUB_OFFLINE="1")[0] == text
    assert server.asked == []


def test_pickles_are_fetched_only_where_there_are_no_safetensors(find, server):
    (server.folder / "model.safetensors").unlink()
    text, _ = find("org/model")
    expected = [name for name in WANTED if name != "model.safetensors"] + ["pytorch_model.bin"]
    assert files_below(text.removeprefix("found ")) == sorted(expected)
    server.asked.clear()
    assert find("org/model")[0] == text
    assert server.asked == []


@pytest.mark.parametrize("weights", ["open_clip_model.safetensors", "open_clip_pytorch_model.bin"])
def test_of_models_of_open_clip_alone_its_files_are_fetched(weights, find, server):
    for name in server.names:
        (server.folder / name).unlink()
    for name in ("open_clip_config.json", "tokenizer.json", "open_clip_pytorch_model.bin", weights):
        (server.folder / name).write_text("{}")
    text, _ = find("org/model")
    assert files_below(text.removeprefix("found ")) == sorted(["open_clip_config.json", "tokenizer.json", weights])
    server.asked.clear()
    assert find("org/model")[0] == text
    assert server.asked == []


def test_what_an_interrupted_download_left_out_is_fetched(find, server):
    text, _ = find("org/model")
    path = Path(text.removeprefix("found ")) / "model.safetensors"
    path.resolve().unlink()
    path.unlink()
    assert find("org/model")[0] == text
    assert path.is_file()


def test_a_revision_is_asked_for(find, server):
    text, _ = find("org/model", revision="v1")
    assert text.startswith("found ")
    assert any(asked.endswith("/revision/v1") for asked in server.asked)
    text, _ = find("org/model", revision="v9")
    assert text.startswith("OSError The pretrained model revision 'v9' of 'org/model' is no local folder")
    assert "RevisionNotFoundError" in text


@pytest.mark.parametrize("switch", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_offline_nothing_is_asked(switch, find, server, cache):
    text, _ = find("org/model", **{switch: "1"})
    assert server.asked == []
    assert text.startswith(
        f"OSError The pretrained model 'org/model' is no local folder, is not in the cache '{cache}'"
    )
    assert "the client is offline (HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE)" in text
    assert text.endswith("(hf download org/model --local-dir FOLDER), and give that folder.")


def test_a_failed_download_says_what_was_tried_and_what_one_can_do(find, server):
    text, _ = find("org/modle")
    assert f"{server.url} did not give it (RepositoryNotFoundError" in text
    assert text.endswith("(hf download org/modle --local-dir FOLDER), and give that folder.")
    text, _ = find("org/model", HF_ENDPOINT="http://127.0.0.1:9")
    assert text.startswith("OSError The pretrained model 'org/model' is no local folder")
    assert "http://127.0.0.1:9 did not give it" in text
    server.failing = 403
    text, _ = find("org/model")
    assert "did not give it" in text
    assert "403" in text


def test_proxies_of_the_client_are_honoured(find, server):
    proxy = {"HTTP_PROXY": server.url, "http_proxy": server.url, "NO_PROXY": "", "no_proxy": ""}
    find("org/model", HF_ENDPOINT="http://hub.invalid", **proxy)
    assert any("http://hub.invalid/api/models/org/model" in asked for asked in server.asked)


def test_a_short_name_stands_for_a_model_on_the_hub(find, server):
    text, _ = find("minilm", revision="main")
    assert "'sentence-transformers/all-MiniLM-L6-v2'" in text
    assert any("/api/models/sentence-transformers/all-MiniLM-L6-v2/" in asked for asked in server.asked)


@pytest.mark.parametrize("name", SHORT_NAMES)
def test_short_names_say_what_their_models_read(name):
    hub_name, kinds = SHORT_NAMES[name]
    assert hub_name.count("/") == 1
    assert set(kinds) <= {"image", "text", "audio"}
    assert kinds


def test_a_short_name_that_is_nearly_one_makes_no_request():
    with pytest.raises(ValueError, match=r"'minilmm' is neither a folder nor a short name\. Did you mean 'minilm'"):
        find_folder("minilmm")


@pytest.fixture
def no_client(monkeypatch):
    """Without the hub's client, which folders do not need."""
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)


def test_a_folder_is_taken_as_it_is(tmp_path, no_client, monkeypatch):
    (tmp_path / "org" / "model").mkdir(parents=True)
    assert find_folder(tmp_path / "org" / "model") == tmp_path / "org" / "model"
    assert find_folder(str(tmp_path)) == tmp_path
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert find_folder("org/model") == Path("org/model")
    assert find_folder("~/org") == tmp_path / "org"


def test_without_the_client_hub_names_ask_for_the_extra(no_client):
    with pytest.raises(ImportError, match=r'org/model.*pip install "sklearn-mm\[pretrained\]"'):
        find_folder("org/model")


@pytest.mark.parametrize(
    "model", ["./bret", "{}/bret", "~no_such_user/bret", "a/b/bret", "C:\\models\\bret", "", "org//model"]
)
def test_what_looks_like_a_path_is_never_asked_for(model, tmp_path, monkeypatch, no_client):
    for name in ("bert", "vit"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    model = model.format(tmp_path)
    if model == "":
        assert find_folder(model) == Path()
        return
    with pytest.raises(FileNotFoundError, match=r"^There is no folder .* has the folders bert, vit\.") as caught:
        find_folder(model)
    assert ("Did you mean 'bert'?" in str(caught.value)) == ("/bret" in model and model.startswith((".", "/")))


def test_a_path_object_is_never_a_hub_name(tmp_path, monkeypatch, no_client):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"There is no folder 'org/model'\..*has no folders"):
        find_folder(Path("org/model"))


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(NotADirectoryError, match=r"is a file\. Give the folder that it lies in"):
        find_folder(tmp_path / "model.safetensors")


def test_a_folder_has_no_revision(tmp_path):
    with pytest.raises(ValueError, match="revision='main' is for names on the hub"):
        find_folder(tmp_path, revision="main")
