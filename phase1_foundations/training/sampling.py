"""A sample from the newest good checkpoint, without training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from training import checkpoints
from training.config import resumed
from training.corpus import Tokenizer
from training.parts import Parts, fuse
from training.processes import Group
from training.run import built, device_of, folder_of
from training.trouble import Trouble
from training.writing import opening, write


def sampled(given: Mapping[str, Any], parts: Parts, say: Callable[[str], object]) -> None:
    """Continue a prompt with the newest good checkpoint."""
    place, saved = checkpoints.newest(folder_of(given.get("out", "")), say)
    config = resumed(given, saved["config"], str(place))
    tokenizer = Tokenizer(saved["tokenizer"]["alphabet"])
    prompt = config.sample or opening(tokenizer)
    tokenizer.encode(prompt, "the prompt")
    device = device_of(config, Group(0, 1, 0))
    torch.set_num_threads(config.threads or 1)  # one token at a time is too little to share
    if config.fused:
        fuse(parts)
    model = built(config, parts, tokenizer.size, device)
    try:
        model.load_state_dict(saved["run"]["model"])
    except (RuntimeError, KeyError) as error:
        raise Trouble(f"{place} does not fit its own configuration ({str(error).splitlines()[0]})") from None
    sample = write(parts, model, tokenizer, prompt, config, config.seed)
    print(sample.text)
    how = "" if config.cache else " without a cache"
    say(f"{sample.tokens} tokens after {saved['run']['step']:,} steps, {sample.speed:,.0f} tokens/s{how}")
