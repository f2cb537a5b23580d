"""Train a GPT, resume it, or have it write: `fathom run train_gpt --help`.

The model and the loop are the learner's own parts of exercises 15 and 16 where they pass, the reference elsewhere.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from training.config import parse, settled
from training.loop import introduced, train
from training.parts import carried, fuse
from training.processes import here
from training.progress import Meter
from training.run import begin
from training.sampling import sampled
from training.trouble import Trouble


def main(words: Sequence[str]) -> int:
    """Do what the flags say; 0 if it was done, 2 where something is to be mended first, 130 after Ctrl-C."""
    group = here()
    try:
        given = parse(words)
        if "sample" not in given and not given.get("resume"):
            settled(given)  # what is wrong with the flags is said at once
        group.join()
        parts = carried(quiet=not group.first)
        if "sample" in given:
            sampled(given, parts, lambda sentence: print(sentence, file=sys.stderr))
            return 0
        fused = given.get("fused", True) and fuse(parts)
        say = print if group.first else lambda *_: None
        run = begin(given, group, parts, say)
        say(introduced(run, fused))
        train(run, Meter(run.config.steps, run.start, silent=not group.first))
    except Trouble as trouble:
        if group.first:
            print(f"train_gpt: {trouble}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"train_gpt: {error.filename or 'a file'}: {error.strerror or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    group.end()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
