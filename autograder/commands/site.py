"""`fathom site`: the study site."""

from __future__ import annotations

from autograder.commands.course import fail, load_with_solutions


def build(strict: bool) -> int:
    """Write the pages."""
    from autograder import site
    from autograder.render.terminal import console

    course = load_with_solutions("the pages show what they draw")
    screen = console()
    try:
        place = site.build(course.root, strict, lambda sentence: screen.print(sentence, style="dim"))
    except (site.SiteError, site.RunFailed) as error:
        fail(str(error))
    screen.print(f"✓ the pages are in {place}", style="green")
    return 0


def serve(port: int) -> int:
    """Serve the pages until Ctrl-C."""
    from autograder import site
    from autograder.render.terminal import console

    course = load_with_solutions("the pages show what they draw")
    screen = console()
    try:
        site.serve(course.root, port, lambda sentence: screen.print(sentence, style="dim"))
    except (site.SiteError, site.RunFailed) as error:
        fail(str(error))
    except KeyboardInterrupt:
        return 0
    return 0
