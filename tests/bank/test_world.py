"""The given world: the same everywhere, what it says of itself is true, and it opens for somebody's own data."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from held_out_incidents import written as incidents_written
from held_out_notes import written as notes_written
from held_out_scripts import written as scripts_written
from valid_numbers import DATA, luhn, numbers

from phase2_llm_projects import bank
from phase2_llm_projects.bank import agents, incidents, notes, people, scripts
from phase2_llm_projects.bank.__main__ import main
from phase2_llm_projects.bank.causes import CAUSES

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def world() -> bank.World:
    return bank.load()


def test_it_is_the_same_in_every_process_and_made_at_once() -> None:
    code = (
        "import hashlib, time; began = time.perf_counter(); from phase2_llm_projects import bank; world = bank.load(3);"
        "print(hashlib.sha256(repr(world).encode()).hexdigest(), time.perf_counter() - began)"
    )
    said = []
    for salt in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": salt, "PYTHONPATH": str(ROOT)}
        run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        said.append(run.stdout.split())
    assert said[0][0] == said[1][0] == hashlib.sha256(repr(bank.load(3)).encode()).hexdigest()
    assert min(float(seconds) for _, seconds in said) < 1.0
    assert bank.load(4) != bank.load(3)


def test_it_has_what_it_promises(world: bank.World) -> None:
    assert (len(world.scripts), len(world.agents), len(world.incidents)) == (300, 20, incidents.COUNT)
    causes = Counter(incident.cause for incident in world.incidents)
    assert set(causes) == {cause.key for cause in CAUSES} == {runbook.cause for runbook in world.runbooks}
    assert max(causes.values()) < 2 * min(causes.values())
    for kind in (world.incidents, world.runbooks):
        assert len({each.id for each in kind}) == len(kind)
    assert len({script.name for script in world.scripts}) == 300


def test_spans_lie_where_they_say(world: bank.World) -> None:
    everything = [*world.notes, *(incident.report for incident in world.incidents), *bank.held_out_notes()]
    shapes = {"email": r"\S+@\S+", "card": r"[\d -]{14,19}", "iban": r"[A-Z]{2}\d\d[A-Z\d ]+", "account": r"[\d -]+"}
    for note in everything:
        ends = [0]
        for span in note.spans:
            assert ends[-1] <= span.start < span.end <= len(note.text)
            value = note.text[span.start : span.end]
            assert value == value.strip() and "{" not in value
            assert span.kind in bank.KINDS and re.fullmatch(shapes.get(span.kind, ".+"), value)
            if span.kind == "card":
                assert luhn(re.sub("[ -]", "", value))
            ends.append(span.end)


def test_order_numbers_are_no_cards(world: bank.World) -> None:
    rng = random.Random(0)
    assert not any(luhn(people.order(rng)) for _ in range(300))
    texts = [note.text for note in world.notes]
    assert sum("order" in text for text in texts) > 20


def test_no_cause_is_named_in_its_report(world: bank.World) -> None:
    for incident in world.incidents:
        assert incident.cause.replace("_", " ") not in incident.report.text.lower()
        assert incident.root_cause not in incident.report.text


def test_incidents_that_are_told_again_have_the_same_cause(world: bank.World) -> None:
    by_id = {incident.id: incident for incident in world.incidents}
    again = [incident for incident in world.incidents if incident.same_as]
    assert len(again) == incidents.COUNT // incidents.RETOLD
    alike = 0
    for incident in again:
        other = by_id[incident.same_as]
        assert (incident.cause, incident.service) == (other.cause, other.service)
        assert incident.report.text != other.report.text
        alike += incident.report.text.split("\n")[1:] == other.report.text.split("\n")[1:]
    assert 10 < alike < len(again) - 10  # some nearly word for word, some in other words


def test_misleading_words_of_other_causes_occur(world: bank.World) -> None:
    suspicions = {cause.suspicion: cause.key for cause in CAUSES}
    misled = [
        (suspicions[line], incident.cause)
        for incident in world.incidents
        for line in incident.report.text.split("\n")
        if line in suspicions
    ]
    assert len(misled) > 100 and all(named != true for named, true in misled)


def test_every_script_parses(world: bank.World) -> None:
    shell = shutil.which("bash")
    for script in world.scripts:
        if script.language == "python":
            ast.parse(script.text)
        elif shell:
            assert not subprocess.run([shell, "-n"], input=script.text, text=True, capture_output=True).stderr
    assert Counter(script.action for script in world.scripts) == {action.key: 25 for action in scripts.ACTIONS}
    assert min(Counter(script.language for script in world.scripts).values()) > 100


def test_scripts_only_say_what_they_would_do(world: bank.World, tmp_path: Path) -> None:
    tried = {(script.action, script.language): script for script in world.scripts}
    for script in tried.values():
        file = tmp_path / script.name
        file.write_text(script.text)
        run = ["bash", str(file)] if script.language == "shell" else [sys.executable, "-S", str(file)]
        if script.language == "shell" and not shutil.which("bash"):
            continue
        done = subprocess.run(run, capture_output=True, text=True, env={"PATH": os.environ["PATH"]})
        lines = done.stdout.splitlines()
        assert done.returncode == 0 and not done.stderr
        assert lines[-1] == f"{script.action} of {script.service}: done"
        assert lines[:-1] and all(line.startswith("+ ") for line in lines[:-1])


def test_contracts_are_well_formed(world: bank.World) -> None:
    assert len({agent.name for agent in world.agents}) == 20
    for agent in world.agents:
        tools = {tool.name for tool in agent.tools}
        assert set(agent.limits.approval) <= tools and min(agent.limits.calls, agent.limits.seconds) > 0
        for tool in agent.tools:
            schema = json.loads(json.dumps(tool.parameters))
            assert schema["type"] == "object" and set(schema["required"]) <= set(schema["properties"])
            assert set(schema["properties"]) <= set(agents.SLOTS)


def test_contracts_are_json_schemas(world: bank.World) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    for agent in world.agents:
        for tool in agent.tools:
            jsonschema.Draft202012Validator.check_schema(tool.parameters)


def test_the_data_files_are_what_their_makers_write() -> None:
    assert json.loads((DATA / "numbers.json").read_text()) == numbers()
    assert (DATA / "held_out_notes.jsonl").read_text(encoding="utf-8") == notes_written()
    assert (DATA / "held_out_incidents.jsonl").read_text(encoding="utf-8") == incidents_written()
    assert (DATA / "held_out_scripts.jsonl").read_text(encoding="utf-8") == scripts_written()


# Held out ----------------------------------------------------------------------------------------------------------


def masked(note: bank.Labelled) -> str:
    """A text with its values taken out, as its template had it; numbers and names of machines too."""
    text = note.text
    for span in reversed(note.spans):
        text = text[: span.start] + f" {span.kind} " + text[span.end :]
    return re.sub(r"[\w-]*\d[\w.:/-]*", "0", text.lower())


def shingles(text: str, size: int = 3) -> frozenset[tuple[str, ...]]:
    words = re.findall(r"\w+", text)
    return frozenset(tuple(words[i : i + size]) for i in range(max(1, len(words) - size + 1)))


def nearest(held_out: list[str], training: list[str]) -> float:
    """The largest Jaccard similarity of shingles between a held-out text and a training text."""
    known = {shingles(text) for text in training}
    most = 0.0
    for text in {shingles(text) for text in held_out}:
        for other in known:
            both = len(text & other)
            if both:
                most = max(most, both / len(text | other))
    return most


def test_no_held_out_note_resembles_a_training_text(world: bank.World) -> None:
    held_out = bank.held_out_notes()
    training = [masked(note) for note in (*world.notes, *(i.report for i in world.incidents))]
    assert nearest([masked(note) for note in held_out], training) < 0.5
    assert not {note.text for note in held_out} & {note.text for note in world.notes}
    values = [
        {n.text[s.start : s.end] for n in each for s in n.spans if s.kind != "name"} for each in (held_out, world.notes)
    ]
    assert not values[0] & values[1]
    surnames = [
        {n.text[s.start : s.end].split()[-1] for n in each for s in n.spans if s.kind == "name"}
        for each in (held_out, world.notes)
    ]
    shared = surnames[0] & surnames[1]
    assert not shared - set(bank.FIRST_NAMES)  # a first name may stand alone in both


def test_no_held_out_incident_resembles_a_training_text(world: bank.World) -> None:
    rows = bank.held_out("incidents")
    assert Counter(row["cause"] for row in rows) == {cause.key: 6 for cause in CAUSES}
    plain = [masked(bank.Labelled(row["report"], ())) for row in rows]
    sentences = [masked(bank.Labelled(line, ())) for i in world.incidents for line in i.report.text.split("\n")]
    whole = [masked(bank.Labelled(i.report.text, ())) for i in world.incidents]
    assert nearest(plain, [*whole, *sentences]) < 0.5


def test_the_measure_sees_a_template_that_is_shared(world: bank.World) -> None:
    again = notes.notes(seed=99, count=40)
    assert nearest([masked(note) for note in again], [masked(note) for note in world.notes]) == 1.0


def test_held_out_sets_are_named() -> None:
    with pytest.raises(LookupError, match="there are notes, incidents"):
        bank.held_out("nodes")


# Somebody's own data -----------------------------------------------------------------------------------------------


def test_own_scripts_take_the_place_of_the_invented_ones(tmp_path: Path) -> None:
    (tmp_path / "night").mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "hook.sh").write_text("echo no")
    (tmp_path / "night" / "run.sh").write_text("#!/bin/sh\n# Start the night's run.\necho go\n")
    (tmp_path / "check.py").write_text('"""Check the totals."""\nprint(1)\n', encoding="utf-8-sig")
    (tmp_path / "bare.py").write_text("print(2)\n")
    (tmp_path / "notes.txt").write_text("not a script")
    world = bank.load(scripts=tmp_path)
    assert [(s.name, s.language, s.request) for s in world.scripts] == [
        ("bare.py", "python", "Write bare.py."),
        ("check.py", "python", "Check the totals."),
        ("night/run.sh", "shell", "Start the night's run."),
    ]
    assert len(world.incidents) == incidents.COUNT


def test_own_cases_and_documents(tmp_path: Path) -> None:
    rows = [
        {"report": "It is slow.", "root_cause": "The disk.", "steps": ["clean"]},
        {"id": "A1", "report": "b", "root_cause": "c"},
    ]
    (tmp_path / "cases.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    (tmp_path / "guide.md").write_text("# Restart\n\n- stop it\n2. start it\nand wait\n")
    world = bank.load(cases=tmp_path, docs=str(tmp_path))
    assert [(i.id, i.report.text, i.root_cause, i.steps) for i in world.incidents] == [
        ("CASE-0001", "It is slow.", "The disk.", ("clean",)),
        ("A1", "b", "c", ()),
    ]
    assert [(r.title, r.notes) for r in world.runbooks] == [("Restart", ("stop it", "start it"))]


@pytest.mark.parametrize("what", ["scripts", "cases", "docs"])
def test_bad_folders_are_refused_with_the_next_step(tmp_path: Path, what: str) -> None:
    ending = {"scripts": ".sh", "cases": ".jsonl", "docs": ".md"}[what]
    with pytest.raises(bank.BadData, match=r"there is no folder .*nowhere"):
        bank.load(**{what: tmp_path / "nowhere"})
    with pytest.raises(bank.BadData, match=rf"no file that ends in .*\{ending}"):
        bank.load(**{what: tmp_path})
    file = tmp_path / f"one{ending}"
    file.write_text("  \n")
    with pytest.raises(bank.BadData, match="is empty"):
        bank.load(**{what: tmp_path})
    with pytest.raises(bank.BadData, match="is a file"):
        bank.load(**{what: file})
    file.write_bytes("Zürich".encode("latin1"))
    with pytest.raises(bank.BadData, match=r"not UTF-8 \(byte 1\)"):
        bank.load(**{what: tmp_path})


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("not json", "line 2: this is no JSON"),
        ("[1]", "this is a list"),
        ('{"report": "a"}', "'root_cause' is missing"),
        ('{"report": " ", "root_cause": "b"}', "'report' is missing"),
        ('{"report": "a", "root_cause": "b", "steps": "c"}', "'steps' is no list"),
    ],
)
def test_bad_cases_are_named_by_line(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "cases.jsonl").write_text(f'{{"report": "a", "root_cause": "b"}}\n{line}\n')
    with pytest.raises(bank.BadData, match=said):
        bank.load(cases=tmp_path)


def test_the_command_shows_what_there_is(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    began = time.perf_counter()
    assert main([]) == 0
    assert time.perf_counter() - began < 1.0
    shown = capsys.readouterr().out
    assert "scripts      300" in shown and "--- incident" in shown and "held out" in shown
    assert main(["--samples", "0", "--seed", "5"]) == 0
    assert "---" not in capsys.readouterr().out
    assert main(["--docs", str(tmp_path / "gone")]) == 2
    assert "there is no folder" in capsys.readouterr().err


def test_no_held_out_request_resembles_one_to_learn_from(world: bank.World) -> None:
    rows = bank.held_out("scripts")
    assert Counter(row["action"] for row in rows) == {action.key: 8 for action in scripts.ACTIONS}
    assert len({row["text"] for row in rows}) == len(rows)
    known = [masked(bank.Labelled(script.request, ())) for seed in range(3) for script in bank.load(seed).scripts]
    assert nearest([masked(bank.Labelled(row["request"], ())) for row in rows], known) < 0.3
