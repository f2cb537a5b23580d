"""The practice commands of the command line: parse and call, as in `cli`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
Check = Annotated[bool, typer.Option("--check", help="Grade the one that is open, as its file is saved.")]
GiveUp = Annotated[bool, typer.Option("--give-up", help="End the one that is open and show what was asked for.")]
Script = Annotated[bool, typer.Option("--script", help="Write a .py in percent form in the place of a notebook.")]


@app.command(epilog="Example: fathom drill attention --bugs 2   then   fathom drill --check")
def drill(
    exercise: Annotated[str | None, typer.Argument(help="What is due if not given.")] = None,
    bugs: Annotated[int, typer.Option(min=1, max=3, help="Planted at once.")] = 1,
    minutes: Annotated[float | None, typer.Option(min=0.1, help="The limit; 15 for each bug if not given.")] = None,
    check: Check = False,
    hint: Annotated[bool, typer.Option("--hint", help="Be asked a question about it; recorded.")] = False,
    give_up: GiveUp = False,
    explain: Annotated[
        str | None, typer.Option(help="Keep what the last one was, in your own words; - reads standard input.")
    ] = None,
    new: Annotated[bool, typer.Option("--new", help="Begin another one where one is open.")] = False,
    script: Script = False,
    seed: Annotated[int | None, typer.Option(min=0, help="Of what is drawn; by chance if not given.")] = None,
    json: AsJson = False,
) -> None:
    """Find and fix planted bugs, from their symptoms, against the clock. Given again, grades the open drill."""
    from autograder.commands import drill as command

    asked = command.Asked(exercise, bugs, minutes, check, hint, give_up, explain, new, script, seed, json)
    raise typer.Exit(command.run(asked))


@app.command(epilog="Example: fathom exam   then   fathom exam --check   then   fathom exam --explain …")
def exam(
    check: Check = False,
    give_up: Annotated[bool, typer.Option("--give-up", help="End the round that is open, and go on.")] = False,
    explain: Annotated[
        str | None, typer.Option(help="Keep what a round was, in your own words; - reads standard input.")
    ] = None,
    new: Annotated[bool, typer.Option("--new", help="Begin another one where one is open.")] = False,
    script: Script = False,
    seed: Annotated[int | None, typer.Option(min=0, help="Of what is drawn; by chance if not given.")] = None,
    json: AsJson = False,
) -> None:
    """Closed book: failing models with one, two and three bugs, then a fine-tune from blank; 45 minutes each."""
    from autograder.commands import exam as command

    raise typer.Exit(command.run(command.Asked(check, give_up, explain, new, script, seed, json)))


@app.command(epilog="Example: fathom review --start   then   fathom review --check")
def review(
    exercise: Annotated[str | None, typer.Argument(help="What is due if not given.")] = None,
    part: Annotated[str | None, typer.Option(help="Begin with this part of the exercise, due or not.")] = None,
    start: Annotated[bool, typer.Option("--start", help="Begin with what is most forgotten.")] = False,
    check: Check = False,
    hint: Annotated[bool, typer.Option("--hint", help="Show a hint of the part; recorded.")] = False,
    give_up: GiveUp = False,
    script: Script = False,
    json: AsJson = False,
) -> None:
    """What is due again: parts to write anew from blank, beside your notebook, and bugs to drill."""
    from autograder.commands import review as command

    raise typer.Exit(command.run(command.Asked(exercise, part, start, check, hint, give_up, script, json)))


@app.command(epilog="Example: fathom sprint --minutes 25")
def sprint(minutes: Annotated[float, typer.Option(min=0.05, max=720.0, help="How long.")] = 30.0) -> None:
    """Half an hour on what is due or open: picked, timed quietly, logged."""
    from autograder.commands import sprint as command

    raise typer.Exit(command.run(minutes))


@app.command(epilog="Example: fathom depth --picture depth.png")
def depth(
    json: AsJson = False,
    picture: Annotated[Path | None, typer.Option(help="Also draw it into this .png, .svg or .pdf.")] = None,
) -> None:
    """How deep each topic really sits: built alone, kept for weeks, found in drills."""
    from autograder.commands import depth as command

    raise typer.Exit(command.run(json, picture))
