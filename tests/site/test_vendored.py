from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from autograder.site import vendored
from autograder.site.vendored import KEPT, Missing, Package, contents, fetched, integrity, locked


def packed(**files: bytes) -> bytes:
    """A tarball as npm makes it."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


@pytest.fixture
def package(tmp_path: Path) -> Package:
    files = {
        "package/dist/a.js": b"a",
        "package/dist/fonts/f.woff2": b"f",
        "package/dist/b.js": b"b",
        "package/LICENSE": b"l",
    }
    files |= {"package/dist/../../a.js": b"evil"}
    tarball = packed(**files)
    found = Package("@scope/maths", "1.2.3", integrity(tarball), ("LICENSE", "dist/a.js", "dist/fonts/*.woff2"))
    (tmp_path / KEPT).mkdir(parents=True)
    (tmp_path / KEPT / found.tarball).write_bytes(tarball)
    return found


def test_only_the_listed_files_are_served(tmp_path: Path, package: Package) -> None:
    assert contents(tmp_path, package) == {Path("a.js"): b"a", Path("fonts/f.woff2"): b"f", Path("LICENSE"): b"l"}


def test_a_tarball_with_another_hash_is_refused_and_set_aside(tmp_path: Path, package: Package) -> None:
    kept = tmp_path / KEPT / package.tarball
    kept.write_bytes(packed(**{"package/dist/a.js": b"changed"}))
    with pytest.raises(Missing, match="its hash is sha512-"):
        fetched(tmp_path, package)
    assert not kept.exists()


def test_without_npm_one_learns_what_is_missing_and_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Missing, match=r"npm is not on the PATH. Put maths-1.0.0.tgz into"):
        fetched(tmp_path, Package("maths", "1.0.0", "", ()))


def test_an_npm_that_fails_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho no network >&2\nexit 1\n", encoding="utf-8")
    npm.chmod(0o755)
    monkeypatch.setattr(vendored.shutil, "which", lambda name: str(npm))
    with pytest.raises(Missing, match="no network"):
        fetched(tmp_path, Package("maths", "1.0.0", "", ()))


def test_the_lock_pins_every_package_by_hash() -> None:
    packages = locked(Path(__file__).resolve().parents[2])
    assert packages
    assert all(package.integrity.startswith("sha512-") and len(package.integrity) == 95 for package in packages)
