"""What the pages load besides their own files: npm packages, pinned by hash, fetched once, served from the site."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

KEPT = Path(".fathom", "vendor")
LOCK = Path("site", "vendor.toml")
SECONDS = 120


class Missing(Exception):
    """A package that could not be had: why, and what to do."""


@dataclass(frozen=True)
class Package:
    """One line of the lock: what to fetch, the hash of its tarball, and the files that the site serves."""

    name: str
    version: str
    integrity: str
    files: tuple[str, ...]

    @property
    def tarball(self) -> str:
        """The file that `npm pack` writes."""
        return f"{self.name.removeprefix('@').replace('/', '-')}-{self.version}.tgz"


def locked(root: Path) -> tuple[Package, ...]:
    """The packages in the lock."""
    rows = tomllib.loads((root / LOCK).read_text(encoding="utf-8"))["package"]
    return tuple(Package(row["name"], row["version"], row["integrity"], tuple(row["files"])) for row in rows)


def contents(root: Path, package: Package) -> dict[Path, bytes]:
    """A package's files by their paths, without the folder dist that npm packages keep them in; raises Missing."""
    found: dict[Path, bytes] = {}
    with tarfile.open(fetched(root, package)) as archive:
        for member in archive:
            path = PurePosixPath(member.name)
            wanted = any(path.match(f"package/{pattern}") for pattern in package.files)
            content = archive.extractfile(member) if wanted and member.isfile() and ".." not in path.parts else None
            if content is not None:
                found[Path(*(part for part in path.parts[1:] if part != "dist"))] = content.read()
    return found


def fetched(root: Path, package: Package) -> Path:
    """The tarball of a package, from the cache or from npm, with the locked hash; raises Missing."""
    kept = root / KEPT / package.tarball
    if not kept.is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        _pack(root, package, kept)
    found = integrity(kept.read_bytes())
    if found != package.integrity:
        kept.rename(kept.with_suffix(".refused"))
        raise Missing(
            f"{kept} is not the {package.name} {package.version} of {LOCK}: its hash is {found}. It was set aside."
        )
    return kept


def integrity(content: bytes) -> str:
    """The hash of a tarball as npm writes it."""
    return "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()


def _pack(root: Path, package: Package, kept: Path) -> None:
    name = f"{package.name}@{package.version}"
    todo = f"Put {package.tarball} into {root / KEPT}, or make `npm pack {name}` work."
    npm = shutil.which("npm")
    if npm is None:
        raise Missing(f"{name} is not in the cache, and npm is not on the PATH. {todo}")
    environment = {**os.environ, "npm_config_update_notifier": "false", "npm_config_fetch_retries": "1"}
    with tempfile.TemporaryDirectory(dir=kept.parent) as folder:  # another build may be fetching it too
        command = [npm, "pack", name, "--pack-destination", folder, "--ignore-scripts", "--silent"]
        try:
            made = subprocess.run(
                command, capture_output=True, text=True, timeout=SECONDS, cwd=folder, env=environment, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Missing(f"`npm pack {name}` did not work: {error}. {todo}") from None
        tarball = Path(folder, package.tarball)
        if not tarball.is_file():
            reason = " ".join((made.stderr or made.stdout).split())[:300] or f"it ended with {made.returncode}"
            raise Missing(f"`npm pack {name}` did not work: {reason}. {todo}")
        tarball.replace(kept)
