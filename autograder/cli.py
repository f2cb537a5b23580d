"""The command line: parse, call, render. Every command imports what it needs when it runs, so `--help` stays quick."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
import typer.core

from autograder import cli_practice

if TYPE_CHECKING:
    import click


class Commands(typer.core.TyperGroup):
    """Commands in help with their whole first sentence, wrapped where click would cut it off."""

    def format_commands(self, ctx: typer.Context, formatter: click.HelpFormatter) -> None:  # type: ignore[override]
        found = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, each.get_short_help_str(1000)) for name, each in found if each is not None])


app = typer.Typer(
    name="fathom",
    cls=Commands,
    help="Deep learning from tutorials to intuition: exercises that say which misconception you have.",
    epilog="Start with `fathom learn`; a verdict on what you wrote is `fathom check backprop_engine`.",
    no_args_is_help=False,
    suggest_commands=False,  # click itself does
    rich_markup_mode=None,  # help by rich takes twice as long to import as all else
    pretty_exceptions_enable=False,
)

Exercises = Annotated[
    list[str] | None,
    typer.Argument(metavar="[EXERCISE]…", help="Exercises by name or number; all where none is given."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]


@app.callback(invoke_without_command=True)
def fathom(context: typer.Context) -> None:
    """Where you are, and what is next."""
    if context.invoked_subcommand is None:
        from autograder.commands import map as overview

        raise typer.Exit(overview.show())


@app.command(epilog="Example: fathom check backprop_engine --part mul")
def check(
    exercises: Exercises = None,
    part: Annotated[list[str] | None, typer.Option(help="Grade only this part; may be repeated.")] = None,
    submission: Annotated[
        list[str] | None,
        typer.Option(
            help="A notebook, a .py, a folder of them, or `solutions`; more may follow, or repeat the option."
        ),
    ] = None,
    json: AsJson = False,
    junit: Annotated[Path | None, typer.Option(help="Also write JUnit XML to this file.")] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Submissions at a time; the number of cores if not given.")
    ] = None,
) -> None:
    """Grade one exercise or all: points, and the misconception behind what fails."""
    from autograder.commands import check as command

    raise typer.Exit(command.run(exercises or [], part or [], submission or [], json, junit, jobs))


@app.command(epilog="Example: fathom watch backprop_engine   (Ctrl-C ends it)")
def watch(exercises: Exercises = None) -> None:
    """Grade on every save of a notebook, the edited part first."""
    from autograder.commands import watch as command

    raise typer.Exit(command.run(exercises or []))


@app.command(epilog="Example: fathom hint backprop_engine mul")
def hint(exercise: str, part: str) -> None:
    """Show the next of a part's three hints; each is recorded."""
    from autograder.commands import work

    raise typer.Exit(work.hint(exercise, part))


@app.command(epilog="Example: fathom reset backprop_engine --part mul")
def reset(
    exercise: str,
    part: Annotated[str | None, typer.Option(help="Only this part; the whole notebook if not given.")] = None,
) -> None:
    """Give back the blank stub; what you had is kept in a backup."""
    from autograder.commands import work

    raise typer.Exit(work.reset(exercise, part))


@app.command(epilog="Example: fathom update")
def update(exercises: Exercises = None) -> None:
    """Bring new prose and checks into your notebooks; every cell that you wrote stays."""
    from autograder.commands import work

    raise typer.Exit(work.update(exercises or []))


@app.command(epilog="Example: fathom verify backprop_engine")
def verify(
    exercises: Exercises = None,
    json: AsJson = False,
    notebooks: Annotated[bool, typer.Option(help="Also run the solved notebooks whose source changed.")] = True,
) -> None:
    """For authors: prove that checks reject every bug, name it, and accept every right variant."""
    from autograder.commands import author

    raise typer.Exit(author.verify(exercises or [], json, notebooks))


@app.command(epilog="Example: fathom build backprop_engine")
def build(
    exercises: Exercises = None,
    nbgrader: Annotated[
        Path | None, typer.Option(help="Write instructor versions into this nbgrader course instead.")
    ] = None,
) -> None:
    """For authors: regenerate the blank notebooks from the solutions."""
    from autograder.commands import author

    raise typer.Exit(
        author.build_for_nbgrader(exercises or [], nbgrader) if nbgrader else author.build(exercises or [])
    )


@app.command()
def demo() -> None:
    """See it work in half a minute, on a copy: the blank, a wrong answer that is named, the right one."""
    from autograder.commands import demo as command

    raise typer.Exit(command.run())


@app.command()
def doctor() -> None:
    """What this machine has and lacks."""
    from autograder.commands import doctor as command

    raise typer.Exit(command.run())


@app.command(epilog="Example: fathom learn backprop_engine")
def learn(
    exercise: Annotated[str | None, typer.Argument(help="The next one to do if not given.")] = None,
    browser: Annotated[bool, typer.Option(help="Open a browser on it.")] = True,
) -> None:
    """JupyterLab on the next exercise, with grading on every save."""
    from autograder.commands import learn as command

    raise typer.Exit(command.run(exercise, browser))


@app.command(epilog='Example: fathom aha "two paths lead back, so their slopes add up" --exercise backprop_engine')
def aha(
    text: Annotated[str, typer.Argument(help="What you understood, in your own words; - reads standard input.")],
    exercise: Annotated[
        str | None, typer.Option(help="The one it is about; the last one worked on if not given.")
    ] = None,
    part: Annotated[str | None, typer.Option(help="The part it is about; the one passed last if not given.")] = None,
) -> None:
    """Log what you understood, tied to the attempts behind it."""
    from autograder.commands import aha as command

    raise typer.Exit(command.run(text, exercise, part))


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    epilog="Example: fathom run train_gpt --help",
)
def run(context: typer.Context) -> None:
    """The program of an exercise, on your own code where it passes."""
    from autograder.commands import run as command

    raise typer.Exit(command.run(context.args))


app.add_typer(cli_practice.app)

site = typer.Typer(
    help="The study site: lessons with their figures, the gallery of bugs, your log.",
    no_args_is_help=True,
    cls=Commands,
)
app.add_typer(site, name="site")


@site.command("build")
def site_build(strict: Annotated[bool, typer.Option(help="Let a warning fail the build.")] = True) -> None:
    """Write the pages to site/build/."""
    from autograder.commands import site as command

    raise typer.Exit(command.build(strict))


@site.command("serve", epilog="Example: fathom site serve --port 8001")
def site_serve(port: Annotated[int, typer.Option(help="Where to listen, on this machine only.")] = 8000) -> None:
    """Serve the pages on this machine, and write them anew when a lesson or the log changes."""
    from autograder.commands import site as command

    raise typer.Exit(command.serve(port))


data = typer.Typer(
    help="Public data sets: listed, fetched on request, verified by checksum.", no_args_is_help=True, cls=Commands
)
app.add_typer(data, name="data")


@data.command("list")
def data_list() -> None:
    """Every data set, what it is for, and whether it is here."""
    from autograder.commands import data as command

    raise typer.Exit(command.show())


@data.command("fetch", epilog="Example: fathom data fetch tiny_shakespeare")
def data_fetch(names: Annotated[list[str] | None, typer.Argument(help="All of them if none is given.")] = None) -> None:
    """Download data sets; a download that was cut goes on where it ended."""
    from autograder.commands import data as command

    raise typer.Exit(command.fetch(names or []))


@data.command("path")
def data_path(name: str) -> None:
    """Print where a data set lies."""
    from autograder.commands import data as command

    raise typer.Exit(command.path(name))


@app.command(epilog="Example: fathom grade submitted/ --exercise backprop_engine --jobs 4")
def grade(
    folder: Annotated[Path, typer.Argument(help="Submissions: a folder each, files, or nbgrader's submitted/ tree.")],
    exercise: Annotated[list[str] | None, typer.Option(help="Only this exercise; may be repeated.")] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Submissions at a time; the number of cores if not given.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where results go; FOLDER-graded beside it if not given.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of the secret inputs; drawn afresh if not given.")] = None,
    trust: Annotated[bool, typer.Option(help="Run the submissions unlocked, as you.")] = False,
    scheduler: Annotated[str | None, typer.Option(help="A Dask cluster to grade on: tcp://HOST:8786.")] = None,
    gradebook: Annotated[str | None, typer.Option(help="Also write points into this nbgrader database.")] = None,
    json: AsJson = False,
) -> None:
    """Grade a class of untrusted submissions, locked in, with feedback for each and a summary of all."""
    from autograder.commands import grade as command

    asked = command.Asked(folder, exercise or (), jobs, out, seed, trust, json, scheduler, gradebook)
    raise typer.Exit(command.run(asked))


@app.command(epilog="Example: fathom release ../class-repository")
def release(folder: Annotated[Path, typer.Argument(help="A new folder.")]) -> None:
    """For instructors: write the repository for a class, without solutions and spoilers."""
    from autograder.commands import release as command

    raise typer.Exit(command.run(folder))


def main() -> None:
    """The console script; several paths may follow `--submission`."""
    sys.argv[1:] = spread(sys.argv[1:])
    try:
        app()
    except Exception as error:
        from autograder.curriculum import CurriculumError  # which `--help` does without

        if not isinstance(error, CurriculumError):
            raise
        print(f"fathom: {error}", file=sys.stderr)  # lessons are read when somebody needs them
        sys.exit(2)


def spread(arguments: list[str]) -> list[str]:
    """Repeat `--submission` before each path that follows it, as shells expand `--submission *.ipynb`."""
    result: list[str] = []
    following = False
    for position, word in enumerate(arguments):
        if word == "--submission":
            following = True
            if position + 1 == len(arguments):
                result.append(word)
        elif word.startswith("-"):
            following = False
            result.append(word)
        elif following:
            result += ["--submission", word]
        else:
            result.append(word)
    return result
