from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from autograder.curriculum import Exercise
from autograder.site import building
from autograder.site.building import SiteError, build, prepare
from autograder.site.running import Run

pytest.importorskip("material", reason="the site needs mkdocs-material")

FETCHED = re.compile(r"""(?:src|srcset)=["'](?P<src>[^"']+)|<link[^>]+href=["'](?P<link>[^"']+)""")


@pytest.fixture(autouse=True)
def no_kernel(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Lessons that show nothing; what running does has tests of its own."""
    empty = tmp_path_factory.mktemp("run")
    monkeypatch.setattr(building, "ran", lambda exercise, sources: Run(empty, {}))
    monkeypatch.setattr(building, "is_kept", lambda exercise, sources: True)


@pytest.fixture
def offline(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The repository where neither a cache nor npm is at hand."""
    for kept in (root / ".fathom" / "vendor").glob("*"):
        kept.unlink()
    monkeypatch.setattr(building.vendored.shutil, "which", lambda name: None)
    return root


def test_a_strict_build_makes_a_page_of_every_exercise_and_asks_no_other_host(root: Path) -> None:
    pages = build(root, progress=lambda said: None)
    assert pages == root / "site" / "build"
    for name in (
        "index.html",
        "phase1_foundations/sums/index.html",
        "phase2_llm_projects/more/index.html",
        "ahas/index.html",
    ):
        text = (pages / name).read_text(encoding="utf-8")
        for match in FETCHED.finditer(text):
            assert not re.match(r"(?:\w+:)?//", match["src"] or match["link"]), match[0]
    for sheet in pages.rglob("*.css"):
        assert not re.search(r"url\(\s*['\"]?(?:https?:)?//|@import", sheet.read_text(encoding="utf-8"))


def test_without_npm_the_site_is_built_with_formulas_as_latex(offline: Path) -> None:
    said: list[str] = []
    page = build(offline, progress=said.append) / "phase1_foundations" / "sums" / "index.html"
    assert said == [line for line in said if line.startswith("formulas will be shown as LaTeX source: katex@")]
    assert len(said) == 1
    assert "\\(s = a + b\\)" in page.read_text(encoding="utf-8")
    assert "katex" not in page.read_text(encoding="utf-8")


def test_a_search_finds_prose_and_neither_hints_nor_solutions(offline: Path) -> None:
    index = (build(offline, progress=lambda said: None) / "search" / "search_index.json").read_text(encoding="utf-8")
    assert "Sums" in index
    assert "Think of plus" not in index and "One solution" not in index


def test_a_broken_link_in_a_lesson_fails_a_strict_build_and_is_quoted(offline: Path) -> None:
    lesson = offline / "solutions" / "phase2_llm_projects" / "more" / "exercise.py"
    lesson.write_text(lesson.read_text(encoding="utf-8").replace("01_sums.ipynb", "nowhere.ipynb"), encoding="utf-8")
    with pytest.raises(SiteError, match=r"nowhere\.ipynb"):
        build(offline, progress=lambda said: None)
    build(offline, strict=False, progress=lambda said: None)


def test_only_what_changed_is_written_and_what_is_gone_goes(offline: Path) -> None:
    docs = prepare(offline, lambda said: None).parent / "docs"
    before = {path: path.stat().st_mtime_ns for path in docs.rglob("*") if path.is_file()}
    for path in (offline / "solutions" / "phase2_llm_projects" / "more").iterdir():
        path.unlink()
    prepare(offline, lambda said: None)
    after = {path: path.stat().st_mtime_ns for path in docs.rglob("*") if path.is_file()}
    gone = {path.relative_to(docs).as_posix() for path in before.keys() - after.keys()}
    changed = {path.relative_to(docs).as_posix() for path in after if after[path] != before.get(path)}
    assert gone == {"phase2_llm_projects/more.md"}
    assert changed == {"index.md"}


def test_an_aha_that_cannot_be_read_is_named_and_the_others_are_shown(offline: Path) -> None:
    log = offline / "progress_log"
    log.mkdir()
    (log / "2026-01-05-a.md").write_text("---\nexercise: sums\n---\nI see.\n", encoding="utf-8")
    (log / "broken.md").write_text("nothing", encoding="utf-8")
    said: list[str] = []
    docs = prepare(offline, said.append).parent / "docs"
    assert any(line.startswith("left out of the aha log: broken.md") for line in said)
    assert "I see." in (docs / "ahas.md").read_text(encoding="utf-8")


def test_lessons_that_carry_others_run_again_when_those_change(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, list[str]] = {}

    def ran(exercise: Exercise, sources: list[Path]) -> Run:
        asked[exercise.name] = [path.parent.name for path in sources]
        return Run(root, {})

    monkeypatch.setattr(building, "ran", ran)
    building.run_all(building.load(root), lambda said: None)
    assert asked == {"sums": [], "more": ["sums"]}


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, autograder.site; print(sorted({'torch', 'mkdocs', 'nbclient', 'IPython'} & set(sys.modules)))"
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert made.stdout.strip() == "[]"
