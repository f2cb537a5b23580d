"""Data sets: found, fetched, resumed, refused. A server on loopback stands for the public one."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from autograder import datasets
from autograder.datasets import cache

CONTENT = bytes(range(256)) * 700


class Server(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT with ranges; below /cut it hangs up half way, below /other it sends something else."""

    def do_GET(self) -> None:
        content = b"<html>log in first</html>" * 8000 if self.path == "/other" else CONTENT
        first = int((self.headers.get("Range") or "bytes=0-").split("=")[1].rstrip("-"))
        self.server.ranges.append(first)  # type: ignore[attr-defined]
        self.send_response(206 if first else 200)
        self.send_header("Content-Length", str(len(content) - first))
        self.end_headers()
        half = self.path == "/cut" and first == 0
        self.wfile.write(content[first : len(content) // 2 if half else None])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[http.server.ThreadingHTTPServer]:
    found = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    found.ranges = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=found.serve_forever, daemon=True)
    thread.start()
    yield found
    found.shutdown()
    found.server_close()


@pytest.fixture
def entry(server: http.server.ThreadingHTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> datasets.Dataset:
    monkeypatch.setenv("FATHOM_DATA", str(tmp_path / "data"))
    address = f"http://127.0.0.1:{server.server_address[1]}/whole"
    digest = hashlib.sha256(CONTENT).hexdigest()
    return datasets.Dataset("sample", "below/sample.bin", address, len(CONTENT), digest, "none", "bytes", "nothing")


def test_a_fetched_file_is_whole_and_reported_as_it_comes(entry: datasets.Dataset) -> None:
    seen: list[int] = []
    place = datasets.fetch(entry, lambda done, total: seen.append(done))
    assert place.read_bytes() == CONTENT
    assert seen[-1] == len(CONTENT) and seen == sorted(seen)
    assert datasets.found(entry) == place


def test_a_file_that_is_here_is_not_fetched_again(
    entry: datasets.Dataset, server: http.server.ThreadingHTTPServer
) -> None:
    datasets.fetch(entry)
    datasets.fetch(entry)
    assert server.ranges == [0]  # type: ignore[attr-defined]


def test_a_cut_download_is_refused_and_taken_up_where_it_ended(
    entry: datasets.Dataset, server: http.server.ThreadingHTTPServer
) -> None:
    cut = replace(entry, address=entry.address.replace("/whole", "/cut"))
    with pytest.raises(datasets.FetchFailed):
        datasets.fetch(cut)
    assert datasets.found(cut) is None
    assert datasets.fetch(cut).read_bytes() == CONTENT
    assert server.ranges[1] == len(CONTENT) // 2  # type: ignore[attr-defined]


def test_a_wrong_checksum_is_refused_and_cleaned(entry: datasets.Dataset) -> None:
    other = replace(entry, address=entry.address.replace("/whole", "/other"))
    with pytest.raises(datasets.FetchFailed, match="sha256"):
        datasets.fetch(other)
    assert list((cache.home() / "below").iterdir()) == []


def test_no_network_says_what_to_do(entry: datasets.Dataset) -> None:
    nowhere = replace(entry, address="http://127.0.0.1:9/nothing")
    with pytest.raises(datasets.FetchFailed, match="check the network"):
        datasets.fetch(nowhere)


def test_a_disk_that_refuses_says_so(entry: datasets.Dataset, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where a folder is wanted")
    with pytest.raises(datasets.FetchFailed, match="could not be written"):
        datasets.fetch(entry)


def test_nothing_is_fetched_without_being_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FATHOM_DATA", str(tmp_path))
    with pytest.raises(datasets.NotFetched, match="fathom data fetch names"):
        datasets.path("names")


def test_an_unknown_name_brings_the_nearest() -> None:
    with pytest.raises(datasets.UnknownDataset, match="did you mean names"):
        datasets.dataset("namez")


@pytest.mark.parametrize("name", [entry.name for entry in datasets.datasets()])
def test_the_real_files_are_the_registered_ones(name: str) -> None:
    entry = datasets.dataset(name)
    place = datasets.found(entry)
    if place is None:
        pytest.skip(f"{name} is not in {cache.home()}")
    assert cache.sha256(place) == entry.sha256


def test_the_defaults_that_come_with_python_are_long_enough_to_learn_from() -> None:
    assert len(datasets.python_prose()) > 300_000
    assert "def " in datasets.library_source(100_000)
    assert len(datasets.function_names()) > 2_000
