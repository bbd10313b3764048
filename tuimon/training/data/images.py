"""Reads MNIST, Fashion-MNIST and CIFAR-10 from the files that their authors published."""

from __future__ import annotations

import gzip
import math
import struct
import tarfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tuimon.base.errors import TuimonError
from tuimon.spec.data import DataSpec
from tuimon.training.data.published import Published, data_folder, find
from tuimon.training.data.raw import Raw

Bytes = npt.NDArray[np.uint8]

MNIST = Published(
    "MNIST",
    ("mnist", "MNIST/raw"),
    ("https://ossci-datasets.s3.amazonaws.com/mnist/",),
    {
        "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
        "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
    },
)
FASHION_MNIST = Published(
    "Fashion-MNIST",
    ("fashion_mnist", "FashionMNIST/raw"),
    ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
    {
        "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
    },
)
CIFAR10 = Published(
    "CIFAR-10 (binary version)",
    ("cifar10",),
    ("https://www.cs.toronto.edu/~kriz/",),
    {"cifar-10-binary.tar.gz": "c32a1d4ab5d03f1284b67883e8d87530"},
)
_CIFAR10_FOLDER = "cifar-10-batches-bin"
_CIFAR10_FILES = (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin")

_DIGITS = tuple("0123456789")
_CLOTHES = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
_THINGS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def read_mnist(spec: DataSpec) -> Raw:
    """Reads handwritten digits [1, 28, 28], grey values 0 to 255; the published test set is the validation split."""
    return _read_idx_set(MNIST, _DIGITS, spec)


def read_fashion_mnist(spec: DataSpec) -> Raw:
    """Reads images of clothing, in the same form as MNIST."""
    return _read_idx_set(FASHION_MNIST, _CLOTHES, spec)


def read_cifar10(spec: DataSpec) -> Raw:
    """Reads colour images [3, 32, 32], values 0 to 255; the published test batch is the validation split."""
    *batches, test = (read_cifar_records(content, name) for name, content in _cifar_files(spec).items())
    labels = np.concatenate([*(batch[0] for batch in batches), test[0]])
    images = np.concatenate([*(batch[1] for batch in batches), test[1]])
    return Raw(images.astype(np.float32), labels.astype(np.int64), _THINGS, train=len(labels) - len(test[0]))


def read_idx(path: Path) -> Bytes:
    """Reads an IDX file of bytes, gzipped or not; the header gives the shape.

    Raises:
        TuimonError: the file is not an IDX file, or is incomplete.
    """
    content = path.read_bytes()
    try:
        content = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    except (EOFError, OSError, ValueError) as error:
        raise TuimonError(f"{path}: damaged gzip file: {error}", "Delete it to download it again.") from error
    if content[:3] != b"\0\0\x08" or len(content) < 4 + 4 * content[3]:
        raise TuimonError(f"{path}: not an IDX file of bytes")
    shape = struct.unpack_from(f">{content[3]}I", content, 4)
    start = 4 + 4 * len(shape)
    if len(content) - start != math.prod(shape):
        raise TuimonError(
            f"{path}: the header announces {math.prod(shape)} bytes of data, but there are {len(content) - start}"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def read_cifar_records(content: bytes, name: str) -> tuple[Bytes, Bytes]:
    """Reads labels [N] and images [N, 3, 32, 32] of a CIFAR-10 batch, whose records have 1 + 3,072 bytes.

    Raises:
        TuimonError: the content is not a CIFAR-10 batch.
    """
    if not content or len(content) % 3073:
        raise TuimonError(f"{name}: not a CIFAR-10 batch: {len(content)} bytes are not a multiple of 3073, the record size")
    records = np.frombuffer(content, np.uint8).reshape(-1, 3073)
    wrong = np.flatnonzero(records[:, 0] > 9)
    if len(wrong):
        raise TuimonError(f"{name}: not a CIFAR-10 batch: record {wrong[0] + 1} has label {records[wrong[0], 0]}")
    return records[:, 0], records[:, 1:].reshape(-1, 3, 32, 32)


def _read_idx_set(published: Published, names: tuple[str, ...], spec: DataSpec) -> Raw:
    train_images, train_labels, test_images, test_labels = find(published, spec).values()
    train, test = _read_idx_pair(train_images, train_labels), _read_idx_pair(test_images, test_labels)
    images = np.concatenate([train[0], test[0]]).astype(np.float32)[:, None]
    return Raw(images, np.concatenate([train[1], test[1]]).astype(np.int64), names, train=len(train[1]))


def _read_idx_pair(images_path: Path, labels_path: Path) -> tuple[Bytes, Bytes]:
    images, labels = read_idx(images_path), read_idx(labels_path)
    if images.shape[1:] != (28, 28) or labels.shape != images.shape[:1]:
        raise TuimonError(f"{images_path}: images {images.shape} do not match labels {labels.shape} of {labels_path.name}")
    if labels.max(initial=0) > 9:
        raise TuimonError(f"{labels_path}: has label {labels.max()}, but labels must be from 0 to 9")
    return images, labels


def _cifar_files(spec: DataSpec) -> dict[str, bytes]:
    """The content of each batch file, from an unpacked folder or from the archive."""
    root = data_folder(spec)
    for folder in (root, root / _CIFAR10_FOLDER, root / CIFAR10.folders[0] / _CIFAR10_FOLDER):
        if all((folder / name).is_file() for name in _CIFAR10_FILES):
            return {str(folder / name): (folder / name).read_bytes() for name in _CIFAR10_FILES}
    return read_members(find(CIFAR10, spec).popitem()[1], tuple(f"{_CIFAR10_FOLDER}/{name}" for name in _CIFAR10_FILES))


def read_members(archive: Path, names: tuple[str, ...]) -> dict[str, bytes]:
    """Reads files of a tar archive without unpacking it to disk.

    Raises:
        TuimonError: the file is not an archive, or lacks one of the files.
    """
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                file = tar.extractfile(member) if member.name in names else None
                if file is not None:
                    found[member.name] = file.read()
    except (tarfile.TarError, EOFError, OSError) as error:
        raise TuimonError(f"{archive}: damaged archive: {error}", "Delete it to download it again.") from error
    for name in names:
        if name not in found:
            raise TuimonError(f"{archive}: has no {name}")
    return {f"{archive}: {name}": found[name] for name in names}
