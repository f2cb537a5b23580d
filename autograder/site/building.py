"""From the folders to the pages: Markdown and pictures first, which any generator could take over, then MkDocs."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import yaml

from autograder.bugs.catalogue import Catalogue, catalogue
from autograder.curriculum import Curriculum, Exercise, load
from autograder.journal import read
from autograder.journal.ahas import Aha, read_all
from autograder.render.colours import COLOURS
from autograder.site import ahas, home, lesson, practice, seen, vendored
from autograder.site.overview import heading
from autograder.site.running import Run, is_kept, ran

Progress = Callable[[str], None]

TEMPLATE = Path("site", "mkdocs.yml")
STATIC = Path("site", "docs")  # written by hand
MADE = Path(".fathom", "site")  # docs/ and mkdocs.yml, made from the folders
PAGES = Path("site", "build")
VENDOR = Path("assets", "vendor")
COLOURS_CSS = Path("assets", "colours.css")
KERNELS = 3  # lessons that run at a time, at most


class SiteError(Exception):
    """The site could not be built: what was attempted, and what to do about it."""


def build(root: Path, strict: bool = True, progress: Progress = print, into: Path | None = None) -> Path:
    """Build the site and return the folder of its pages; a strict build takes no warning from MkDocs.

    `into` is a folder for all that is made, for those who build beside others; by default it goes where git ignores it.
    Raises SiteError, RunFailed where a solved lesson does not run, CurriculumError where a folder cannot be read.
    """
    installed()
    config = prepare(root, progress, into)
    mkdocs(config, "build", *(["--strict"] if strict else []), progress=progress)
    return into / "pages" if into else root / PAGES


def prepare(root: Path, progress: Progress = print, into: Path | None = None) -> Path:
    """Write all that MkDocs reads, touching only what changed; returns the configuration."""
    course = load(root)
    made = into or root / MADE
    docs = made / "docs"
    runs = run_all(course, progress)
    catalogues = {exercise.name: catalogue(exercise) for exercise in course.exercises}
    log = read_all(root)
    for broken in log.broken:
        progress(f"left out of the aha log: {broken.where} {broken.reason}")
    packages = vendor(root, progress)
    files: dict[Path, str | bytes] = {**below(root / STATIC, but="index.md"), **packages}
    pictures = pictures_of(course, progress)
    files |= pages(course, catalogues, runs, log.entries, pictures)
    practised = read(root)
    for concern in practised.concerns():
        progress(concern)
    files |= practice.files(course, practised, catalogues, datetime.now())
    for exercise in course.exercises:
        drawn = below(runs[exercise.name].folder, but="run.json")
        files |= {figures(exercise) / path: content for path, content in drawn.items()}
        for bug, content in pictures.get(exercise.name, {}).items():
            files[figures(exercise) / f"bug-{bug}.png"] = content
    kept = set(write(docs, files))
    for path in docs.rglob("*"):
        if path.is_file() and path not in kept:
            path.unlink()
    settings = configure(course, docs, into / "pages" if into else root / PAGES, maths=bool(packages))
    return next(write(made, {Path("mkdocs.yml"): settings}))


def pictures_of(course: Curriculum, progress: Progress) -> dict[str, Mapping[str, bytes]]:
    """What every bug makes the checks see, by exercise and bug; SiteError where the checks cannot run."""
    from autograder.judge.grading import JudgeError

    try:
        return seen.figures(course, progress)
    except JudgeError as error:
        raise SiteError(f"the bugs of the gallery could not be run: {error}") from error


def pages(
    course: Curriculum,
    catalogues: Mapping[str, Catalogue],
    runs: Mapping[str, Run],
    log: Sequence[Aha],
    drawn: Mapping[str, Collection[str]],
) -> dict[Path, str]:
    """Everything that is generated as text, by its path among the Markdown files."""
    template = (course.root / STATIC / "index.md").read_text(encoding="utf-8")
    made = {
        Path("index.md"): home.page(template, course, catalogues),
        Path("ahas.md"): ahas.page(course, log, catalogues),
        COLOURS_CSS: colours(),
    }
    for exercise in course.exercises:
        path = lesson.place(exercise)
        pictures = Path(os.path.relpath(figures(exercise), path.parent)).as_posix()
        shown = drawn.get(exercise.name, ())
        made[path] = lesson.page(course, exercise, catalogues[exercise.name], runs[exercise.name], pictures, shown)
    return made


def run_all(course: Curriculum, progress: Progress) -> dict[str, Run]:
    """Every solved lesson's run, several at a time where they are not in the cache."""

    def one(exercise: Exercise) -> Run:
        rests_on = list(_carried(course, exercise))
        if not is_kept(exercise, rests_on):
            progress(f"running {exercise.name}")
        return ran(exercise, rests_on)

    workers = max(1, min(KERNELS, (os.cpu_count() or 2) // 2))
    with ThreadPoolExecutor(workers) as pool:
        return dict(zip((e.name for e in course.exercises), pool.map(one, course.exercises), strict=True))


def _carried(course: Curriculum, exercise: Exercise) -> Iterator[Path]:
    for name in exercise.needs:
        need = course.exercise(name)
        yield from _carried(course, need)
        yield need.source


def figures(exercise: Exercise) -> Path:
    """The folder of an exercise's pictures among the Markdown files."""
    return Path("figures", exercise.name)


def write(folder: Path, files: Mapping[Path, str | bytes]) -> Iterator[Path]:
    """Write files below a folder, those that differ from what is there; yields every path."""
    for name, content in files.items():
        path = folder / name
        data = content.encode() if isinstance(content, str) else content
        if not path.is_file() or path.read_bytes() != data:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        yield path


def below(folder: Path, but: str = "") -> dict[Path, bytes]:
    """The files of a folder by their paths in it, but for one name at its top."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder): path.read_bytes() for path in paths if path != folder / but}


def vendor(root: Path, progress: Progress) -> dict[Path, bytes]:
    """The files of the vendored packages; without them the site is built all the same, its formulas as LaTeX."""
    found: dict[Path, bytes] = {}
    for package in vendored.locked(root):
        try:
            for path, content in vendored.contents(root, package).items():
                found[VENDOR / package.name / path] = content
        except vendored.Missing as missing:
            progress(f"formulas will be shown as LaTeX source: {missing}")
    return found


def configure(course: Curriculum, docs: Path, site: Path, maths: bool) -> str:
    """MkDocs' configuration: the template, and what the folders say."""
    katex = (VENDOR / "katex" / "katex.min").as_posix()
    made = {
        "docs_dir": str(docs),
        "site_dir": str(site),
        "nav": navigation(course),
        "extra_css": [*([f"{katex}.css"] if maths else []), COLOURS_CSS.as_posix(), "assets/site.css"],
        "extra_javascript": [f"{katex}.js", "assets/maths.js"] if maths else [],
    }
    template = (course.root / TEMPLATE).read_text(encoding="utf-8")
    return f"{template}\n# made by the build\n{yaml.safe_dump(made, sort_keys=False, allow_unicode=True)}"


def colours() -> str:
    """The colours of the figures as the style sheet names them, so that pages and plots belong together."""
    names = "".join(f"  --fathom-{name.lower()}: {value};\n" for name, value in COLOURS._asdict().items())
    return f":root {{\n{names}}}\n"


def navigation(course: Curriculum) -> list[dict[str, object]]:
    """Home, the phases with their exercises, practice, the aha log."""
    phases: list[dict[str, object]] = [
        {heading(phase): [{f"{e.number} · {e.title}": lesson.place(e).as_posix()} for e in phase.exercises]}
        for phase in course.phases
        if phase.exercises
    ]
    return [{"Home": "index.md"}, *phases, {"Practice": "practice.md"}, {"Aha log": "ahas.md"}]


def installed() -> None:
    """Raise SiteError where MkDocs or its theme is missing."""
    if importlib.util.find_spec("material") is None or importlib.util.find_spec("mkdocs") is None:
        raise SiteError(
            "The site needs MkDocs and its theme: `pip install 'mkdocs<2' mkdocs-material`, then try again."
        )


def mkdocs(config: Path, *arguments: str, progress: Progress) -> None:
    """Run MkDocs and pass its warnings on; raises SiteError with them where it refuses the pages."""
    # without --quiet, which would hide warnings from --strict as well
    command = [sys.executable, "-m", "mkdocs", arguments[0], "-f", str(config), *arguments[1:]]
    made = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)
    lines = (made.stdout + made.stderr).strip().split("\n")
    said = "\n".join(line for line in lines if not line.startswith(("INFO", "DEBUG")))
    if made.returncode:
        raise SiteError(f"MkDocs refused the pages in {config.parent / 'docs'}:\n{said}")
    if said:
        progress(said)


def environment() -> dict[str, str]:
    """This environment, with the theme's notice about later versions of MkDocs off, as the theme offers."""
    return {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
