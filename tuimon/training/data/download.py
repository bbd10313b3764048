"""Downloads published files: complete and with the right checksum, or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import urllib.error
import urllib.request
from pathlib import Path

from tuimon.base.errors import TuimonError
from tuimon.training.output import say

_TIMEOUT_S = 30
_AT_ONCE = 1 << 18  # bytes


def fetch(url: str, path: Path, checksum: str) -> None:
    """Downloads `url` to `path`, creating its folder if needed. The file appears only when it is complete and checked.

    Args:
        url: http or https.
        path: of the downloaded file.
        checksum: MD5 or SHA-256 in hexadecimal; its length tells which.

    Raises:
        TuimonError: no network, no such file, no space, or a wrong checksum.
    """
    say(f"downloading {url} to {path}")
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        found = _receive(url, temporary, "md5" if len(checksum) == 32 else "sha256")
        if found != checksum:
            raise TuimonError(f"{url}: the downloaded file has checksum {found}, but the published one has {checksum}")
        os.replace(temporary, path)
    except (OSError, http.client.HTTPException) as error:
        raise TuimonError(f"{url} could not be downloaded: {_reason(error)}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def fetch_first(urls: tuple[str, ...], path: Path, checksum: str) -> None:
    """Downloads from the first of several URLs that has the right file.

    Raises:
        TuimonError: no URL has it; the text is about the last one.
    """
    for url in urls[:-1]:
        with contextlib.suppress(TuimonError):
            return fetch(url, path, checksum)
    return fetch(urls[-1], path, checksum)


def _receive(url: str, path: Path, algorithm: str) -> str:
    """Downloads `url` to `path`, and returns the checksum."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer, open(path, "wb") as file:
        while some := answer.read(_AT_ONCE):
            digest.update(some)
            file.write(some)
    return digest.hexdigest()


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        error.close()  # it also is the response, and keeps the connection open
        return f"{error.code} {error.reason}"
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, OSError):
        error = error.reason
    return str(getattr(error, "strerror", None) or error)
