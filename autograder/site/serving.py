"""The site while one writes: served from this machine, and built again when a folder changes."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

from autograder.curriculum import CurriculumError
from autograder.site.building import STATIC, TEMPLATE, Progress, SiteError, environment, installed, prepare
from autograder.site.running import RunFailed
from autograder.site.vendored import LOCK

WATCHED = ("solutions", "progress_log", str(STATIC))


def serve(root: Path, port: int = 8000, progress: Progress = print) -> None:
    """Serve the site on this machine until Ctrl-C; what a change breaks is said, and the last good pages stay.

    Raises SiteError where the server does not start or ends by itself, and what `build` raises for the first pages.
    """
    installed()
    config = prepare(root, progress)
    stop = threading.Event()
    watcher = threading.Thread(target=_follow, args=(root, progress, stop), daemon=True)
    watcher.start()
    address = f"127.0.0.1:{port}"
    command = [sys.executable, "-m", "mkdocs", "serve", "--quiet", "--livereload", "-f", str(config), "-a", address]
    progress(f"the site is at http://{address}; Ctrl-C ends it")
    try:
        ended = subprocess.run(command, env=environment(), check=False).returncode
    except KeyboardInterrupt:
        return
    finally:
        stop.set()
    if ended:
        raise SiteError(
            f"The server at {address} ended with {ended}: what it said is above. Is the port in use? Try another."
        )


def _follow(root: Path, progress: Progress, stop: threading.Event) -> None:
    """Write the pages again whenever something they are made from changes; MkDocs sees that and reloads."""
    from watchfiles import watch

    folders = [path for path in (*(root / name for name in WATCHED), root / TEMPLATE, root / LOCK) if path.exists()]
    for _ in watch(*folders, stop_event=stop, debounce=400):
        try:
            prepare(root, progress)
        except (CurriculumError, RunFailed, SiteError) as error:
            progress(str(error))
