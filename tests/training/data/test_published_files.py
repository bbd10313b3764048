"""MNIST, Fashion-MNIST, CIFAR-10 and California housing: small files in the published formats, found, downloaded or missing."""

from __future__ import annotations

import gzip
import hashlib
import io
import struct
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch

from tuimon.base.errors import TuimonError
from tuimon.spec.data import DataSpec
from tuimon.spec.loading import load_spec
from tuimon.training.data import Data, load
from tuimon.training.data.download import fetch, fetch_first
from tuimon.training.data.images import MNIST, read_cifar_records, read_idx
from tuimon.training.data.published import Published, find

RANDOM = np.random.default_rng(0)
IMAGES = {"train": RANDOM.integers(0, 256, (30, 28, 28), np.uint8), "t10k": RANDOM.integers(0, 256, (10, 28, 28), np.uint8)}
LABELS = {"train": np.arange(30, dtype=np.uint8) % 10, "t10k": np.arange(10, dtype=np.uint8)}


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_mnist(folder: Path, *, compressed: bool) -> None:
    folder.mkdir(parents=True)
    for part in ("train", "t10k"):
        for name, array in ((f"{part}-images-idx3-ubyte", IMAGES[part]), (f"{part}-labels-idx1-ubyte", LABELS[part])):
            path = folder / (f"{name}.gz" if compressed else name)
            path.write_bytes(gzip.compress(idx(array)) if compressed else idx(array))


def cifar_batch(count: int, seed: int) -> tuple[np.ndarray, np.ndarray, bytes]:
    random = np.random.default_rng(seed)
    labels, images = random.integers(0, 10, count, np.uint8), random.integers(0, 256, (count, 3, 32, 32), np.uint8)
    return labels, images, np.concatenate([labels[:, None], images.reshape(count, -1)], axis=1).tobytes()


def cifar_files() -> dict[str, bytes]:
    names = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
    return {name: cifar_batch(4, seed)[2] for seed, name in enumerate(names)}


def pack(path: Path, files: dict[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def loaded(name: str, *overrides: str) -> Data:
    spec = load_spec("digits-mlp", [f"data={name}", "download=false", "scale=none", *overrides])
    return load(spec.data, 0, torch.device("cpu"))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A URL, and the folder that it serves."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            return

    folder = tmp_path / "served"
    folder.mkdir()
    running = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{running.server_port}/", folder
    running.shutdown()
    thread.join()
    running.server_close()


@pytest.mark.parametrize("compressed", [True, False], ids=["gz", "plain"])
@pytest.mark.parametrize(
    ("name", "folder", "way"),
    [
        ("mnist", "mnist", "path"),
        ("mnist", "MNIST/raw", "variable"),
        ("mnist", ".here", "itself"),
        ("fashion_mnist", "fashion_mnist", "variable"),
        ("fashion_mnist", "FashionMNIST/raw", "current"),
    ],
)
def test_idx_files_are_found_where_they_may_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compressed: bool, name: str, folder: str, way: str
):
    """In data.path, $TUIMON_DATA or ./data: in our folder, in torchvision's, or in the named folder itself."""
    root = tmp_path / "data"
    write_mnist(root / folder, compressed=compressed)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TUIMON_DATA", raising=False)
    if way == "variable":
        monkeypatch.setenv("TUIMON_DATA", str(root))
    path = {"path": [f"data.path={root}"], "itself": [f"data.path={root / folder}"]}.get(way, [])
    data = loaded(name, *path)
    assert torch.equal(data.train.inputs, torch.from_numpy(IMAGES["train"]).float()[:, None])
    assert torch.equal(data.val.inputs, torch.from_numpy(IMAGES["t10k"]).float()[:, None])
    assert data.train.targets.tolist() == LABELS["train"].tolist()
    assert (data.known.outputs, data.class_names[9]) == (10, "9" if name == "mnist" else "ankle boot")


def test_the_published_test_set_is_for_validation_even_with_fewer_classes(tmp_path: Path):
    """Whatever val_fraction says."""
    write_mnist(tmp_path / "mnist", compressed=True)
    data = loaded("mnist", f"data.path={tmp_path}", "classes=2")
    assert (data.train.targets.tolist(), data.val.targets.tolist()) == ([0, 1] * 3, [0, 1])


def test_an_error_about_missing_files_names_the_folder_they_belong_in(tmp_path: Path):
    """It also names the URL to download them from."""
    write_mnist(tmp_path / "mnist", compressed=True)
    (tmp_path / "mnist" / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(TuimonError) as raised:
        loaded("mnist", f"data.path={tmp_path}")
    assert str(raised.value).splitlines()[0] == f"MNIST is not in {tmp_path} (data.download is off)"
    assert f"Download t10k-labels-idx1-ubyte.gz from {MNIST.mirrors[-1]} into {tmp_path / 'mnist'}" in raised.value.hint
    assert "$TUIMON_DATA" in raised.value.hint


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an IDX file of bytes"),
        (b"\0\0\x08\x03\0\0", "not an IDX file of bytes"),
        (b"\0\0\x0d\x01\0\0\0\x01\0\0\0\0", "not an IDX file of bytes"),
        (idx(IMAGES["t10k"])[:-1], "the header announces 7840 bytes of data, but there are 7839"),
        (gzip.compress(idx(IMAGES["t10k"]))[:-20], "damaged gzip file: "),
    ],
)
def test_a_damaged_idx_file_is_an_error(tmp_path: Path, content: bytes, message: str):
    """The message has its path."""
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(TuimonError, match=f"{path}: {message}"):
        read_idx(path)


def test_images_and_labels_that_do_not_match_are_an_error(tmp_path: Path):
    """The message has both shapes."""
    write_mnist(tmp_path / "mnist", compressed=False)
    (tmp_path / "mnist" / "train-labels-idx1-ubyte").write_bytes(idx(LABELS["t10k"]))
    with pytest.raises(TuimonError, match=r"images \(30, 28, 28\) do not match labels \(10,\) of train-labels"):
        loaded("mnist", f"data.path={tmp_path}")


@pytest.mark.parametrize("folder", [".", "cifar-10-batches-bin", "cifar10/cifar-10-batches-bin", "archive"])
def test_cifar_is_read_from_its_folder_or_its_archive(tmp_path: Path, folder: str):
    """A record has a label and three colour planes; the test batch is for validation."""
    files = cifar_files()
    if folder == "archive":
        members = {f"cifar-10-batches-bin/{name}": content for name, content in files.items()}
        pack(tmp_path / "cifar10" / "cifar-10-binary.tar.gz", {"cifar-10-batches-bin/readme.html": b"x", **members})
    else:
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (tmp_path / folder / name).write_bytes(content)
    data = loaded("cifar10", f"data.path={tmp_path}")
    labels, images, _ = cifar_batch(4, 0)
    test_labels, test_images, _ = cifar_batch(4, 5)
    assert (len(data.train), len(data.val)) == (20, 4)
    assert torch.equal(data.train.inputs[:4], torch.from_numpy(images).float())
    assert data.train.targets[:4].tolist() == labels.tolist()
    assert torch.equal(data.val.inputs, torch.from_numpy(test_images).float())
    assert data.val.targets.tolist() == test_labels.tolist()
    assert data.class_names[:2] == ("airplane", "automobile")


def test_a_damaged_cifar_batch_is_an_error():
    """The message names the record."""
    content = cifar_batch(3, 0)[2]
    with pytest.raises(TuimonError, match=r"b.bin: not a CIFAR-10 batch: 9218 bytes are not a multiple of 3073"):
        read_cifar_records(content[:-1], "b.bin")
    with pytest.raises(TuimonError, match=r"b.bin: not a CIFAR-10 batch: record 2 has label 255"):
        read_cifar_records(content[:3073] + b"\xff" + content[3074:], "b.bin")


def test_a_damaged_or_incomplete_archive_is_an_error(tmp_path: Path):
    """The message has the path of the archive and of the missing file."""
    path = tmp_path / "cifar10" / "cifar-10-binary.tar.gz"
    pack(path, {"cifar-10-batches-bin/data_batch_1.bin": b"x"})
    with pytest.raises(TuimonError, match=f"{path}: has no cifar-10-batches-bin/data_batch_2.bin"):
        loaded("cifar10", f"data.path={tmp_path}")
    path.write_bytes(b"not an archive")
    with pytest.raises(TuimonError, match=f"{path}: damaged archive: "):
        loaded("cifar10", f"data.path={tmp_path}")


def test_california_housing_is_scikit_learns(tmp_path: Path):
    """Eight inputs in the same order, rooms and people per household, values in units of 100,000 dollars."""
    rows = (
        "-122.23,37.88,41.0,880.0,129.0,322.0,126.0,8.3252,452600.0\n"
        "-122.22,37.86,21.0,7099.0,1106.0,2401.0,1138.0,8.3014,358500.0\n"
    )
    pack(tmp_path / "cal_housing.tgz", {"CaliforniaHousing/cal_housing.data": (rows * 5).encode()})
    data = loaded("california_housing", f"data.path={tmp_path}", "target_scale=none")
    first = data.train.inputs[data.train.targets[:, 0] > 4][0]
    expected = torch.tensor([8.3252, 41, 6.98412698, 1.02380952, 322, 2.55555556, 37.88, -122.23])  # as scikit-learn prints it
    torch.testing.assert_close(first, expected)
    assert float(data.train.targets.max()) == pytest.approx(4.526)
    assert data.input_names[0] == "median income"


def test_a_missing_file_is_downloaded_once(tmp_path: Path, server: tuple[str, Path], capfd: pytest.CaptureFixture[str]):
    """It is downloaded into a new folder, and found there the next time."""
    url, served = server
    content = b"some content" * 1000
    (served / "a.bin").write_bytes(content)
    published = Published("Some data", ("some",), (url,), {"a.bin": hashlib.md5(content).hexdigest()})
    spec = DataSpec(path=str(tmp_path / "data"))
    for _ in range(2):
        found = find(published, spec)
    assert found == {"a.bin": tmp_path / "data" / "some" / "a.bin"}
    assert found["a.bin"].read_bytes() == content
    assert capfd.readouterr().out.count("downloading") == 1


def test_a_download_with_a_wrong_checksum_is_not_kept(tmp_path: Path, server: tuple[str, Path]):
    """Nothing is left behind; the message has both checksums."""
    url, served = server
    (served / "a.bin").write_bytes(b"tampered")
    right = hashlib.sha256(b"true").hexdigest()
    with pytest.raises(TuimonError) as raised:
        fetch(f"{url}a.bin", tmp_path / "data" / "a.bin", right)
    assert hashlib.sha256(b"tampered").hexdigest() in str(raised.value)
    assert right in str(raised.value)
    assert list((tmp_path / "data").iterdir()) == []


def test_a_second_mirror_is_tried(tmp_path: Path, server: tuple[str, Path]):
    """If the first one does not have the file."""
    url, served = server
    (served / "a.bin").write_bytes(b"true")
    fetch_first((f"{url}nowhere/a.bin", f"{url}a.bin"), tmp_path / "a.bin", hashlib.md5(b"true").hexdigest())
    assert (tmp_path / "a.bin").read_bytes() == b"true"


def test_without_network_the_error_says_what_to_download_where(tmp_path: Path, server: tuple[str, Path]):
    """If no server answers, or it does not have the file."""
    url, _ = server
    published = Published("Some data", ("some",), (url,), {"gone.bin": "0" * 32})
    with pytest.raises(TuimonError) as raised:
        find(published, DataSpec(path=str(tmp_path)))
    assert raised.value.message.startswith(f"Some data is not in {tmp_path} ({url}gone.bin could not be downloaded: ")
    assert raised.value.hint.startswith(f"Download gone.bin from {url} into {tmp_path / 'some'}, or name another folder")
    nobody = Published("Some data", ("some",), ("http://127.0.0.1:9/",), {"gone.bin": "0" * 32})
    with pytest.raises(TuimonError, match=r"could not be downloaded: .*refused"):
        find(nobody, DataSpec(path=str(tmp_path)))
