"""Fine-tune a language model by LoRA to write scripts, and report what it learned and forgot: see --help.

Layers, rows and file are the learner's own parts of exercise 21 where they pass, the reference elsewhere; for models of
Hugging Face's, the layers are peft's.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "phase1_foundations")]  # the bank, and what training takes

from training.trouble import Trouble  # noqa: E402
from tuning.settings import settings  # noqa: E402


def main(words: Sequence[str]) -> int:
    """Do what the flags say; 0 if it was done, 2 where something is to be mended first, 130 after Ctrl-C."""
    try:
        asked = settings(words)
        root = Path(os.environ.get("FATHOM_ROOT", ROOT))
        home = root / ".fathom" / "lora_finetune"
        out = asked.out or home / "report"
        writable(out)
        from tuning.run import run  # torch takes a second, which --help need not wait for

        outcome = run(asked, out, home)
        from tuning.report import report

        print(f"Report: {report(outcome, out)}")
    except Trouble as trouble:
        print(f"lora_finetune: {trouble}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def writable(out: Path) -> None:
    """Trouble now rather than after minutes, where the report has no place."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / ".probe"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise Trouble(f"--out {out} cannot be written to: {error.strerror}; name another folder") from None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
