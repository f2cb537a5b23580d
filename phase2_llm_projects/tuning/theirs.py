"""Any causal model of Hugging Face's through transformers and peft, its weights in 4, 16 or 32 bits."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import socket
import sys
import urllib.parse
import urllib.request
import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from training.trouble import Trouble

from tuning import task
from tuning.settings import Settings

INSTALL = "pip install -c constraints.txt 'fathom[llm]'"


@dataclass
class Theirs:
    """A model of transformers, wrapped by peft."""

    model: Any
    tokenizer: Any
    name: str
    context: int
    note: str
    rate: float = 2e-4
    end: int = field(init=False)
    pad: int = field(init=False)

    def __post_init__(self) -> None:
        self.end = self.tokenizer.eos_token_id
        self.pad = self.tokenizer.pad_token_id if self.tokenizer.pad_token_id is not None else self.end

    def prompt(self, text: str) -> list[int]:
        found: list[int] = self.tokenizer.encode(text)
        return [token for token in found if token != self.end] or [self.pad]

    def encode(self, text: str) -> list[int]:
        found: list[int] = self.tokenizer.encode(text, add_special_tokens=False)
        return found

    def decode(self, tokens: Sequence[int]) -> str:
        return str(self.tokenizer.decode(list(tokens), skip_special_tokens=True))

    def old(self) -> list[int]:
        return self.encode(task.prose())

    def logits(self, idx: Tensor) -> Tensor:
        found: Tensor = self.model(input_ids=idx.to(self.model.device)).logits.float()
        return found

    @torch.no_grad()
    def write(self, prompt: list[int], most: int) -> list[int]:
        room = max(1, min(most, self.context - len(prompt)))
        idx = torch.tensor([prompt], device=self.model.device)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            written = self.model.generate(
                input_ids=idx,
                attention_mask=torch.ones_like(idx),
                max_new_tokens=room,
                do_sample=False,
                temperature=None,
                top_p=None,
                top_k=None,
                eos_token_id=self.end,
                pad_token_id=self.pad,
            )
        found: list[int] = written[0, len(prompt) :].tolist()
        return found

    def without(self) -> AbstractContextManager[object]:
        found: AbstractContextManager[object] = self.model.disable_adapter()
        return found

    def save(self, folder: Path) -> str:
        self.model.save_pretrained(str(folder / "adapters"))
        return "adapters"

    def singular_values(self) -> dict[str, list[float]]:
        layers = [(name, m) for name, m in self.model.named_modules() if hasattr(m, "lora_A") and "default" in m.lora_A]
        found = {}
        for name, layer in layers[-3:]:
            r = layer.r["default"]
            found[name.removeprefix("base_model.model.")] = torch.linalg.svdvals(
                layer.get_delta_weight("default").detach().float().cpu()
            )[:r].tolist()
        return found


def theirs(asked: Settings) -> Theirs:
    """Load a model by name or from a folder, and put adapters into it; Trouble says in a sentence what is missing."""
    missing = [name for name in ("transformers", "peft") if importlib.util.find_spec(name) is None]
    if missing:
        raise Trouble(f"--model needs {' and '.join(missing)}, not installed here: {INSTALL}")
    folder = Path(asked.model).expanduser()
    local = folder.is_dir()
    if not local and (folder.exists() or asked.model.startswith((".", "/", "~")) or asked.model.count("/") > 1):
        raise Trouble(
            f"--model {asked.model}: there is no such folder; name one that holds config.json and the weights, or a model"
            if not folder.exists()
            else f"--model {asked.model} is a file; name the folder that it lies in"
        )
    if local and not (folder / "config.json").exists():
        raise Trouble(
            f"--model {asked.model}: this folder holds no config.json; name the one that a model was saved in"
        )
    if not local and not reachable():
        os.environ["HF_HUB_OFFLINE"] = "1"  # what was fetched before still loads, and nobody waits for retries
    with quiet():
        model, tokenizer, note = loaded(asked, str(folder) if local else asked.model)
        context = min(asked.context, int(getattr(model.config, "max_position_embeddings", asked.context)))
        model = adapted(asked, model)
    return Theirs(model, tokenizer, asked.model, context, note)


def reachable() -> bool:
    """Whether something answers where models are fetched from; a proxy is believed to."""
    if os.environ.get("HF_HUB_OFFLINE", "0") not in ("", "0") or urllib.request.getproxies():
        return True  # as somebody has arranged it
    place = urllib.parse.urlsplit(os.environ.get("HF_ENDPOINT") or "https://huggingface.co")
    try:
        with socket.create_connection((place.hostname or "", place.port or 443), timeout=3.0):
            return True
    except OSError:
        return False


def loaded(asked: Settings, name: str) -> tuple[Any, Any, str]:
    """Model and tokenizer; every way in which this can fail is told in a sentence."""
    import transformers

    how, note = stored(asked.bits)
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(name)
        if tokenizer.eos_token_id is None:
            raise Trouble(f"--model {asked.model}: its tokenizer has no end-of-text token, so no answer could ever end")
        model = transformers.AutoModelForCausalLM.from_pretrained(name, **how)
    except Trouble:
        raise
    except (KeyboardInterrupt, MemoryError):
        raise
    except (
        Exception
    ) as error:  # transformers, safetensors, torch, the hub and its network each have exceptions of their own
        raise Trouble(explained(asked.model, name, error)) from None
    return model, tokenizer, note


def explained(asked: str, name: str, error: Exception) -> str:
    """Why a model could not be loaded, in one sentence."""
    why = " ".join(str(error).split())
    if Path(name).is_dir():
        return f"--model {asked} could not be loaded: a file in it is damaged or missing ({type(error).__name__}: {short(why)})"
    gated = any(word in why.lower() for word in ("gated", "401", "403", "authorized"))
    if gated:
        return (
            f"--model {asked} is gated or private: accept its licence on huggingface.co and log in with `hf auth login`, or "
            "download it and name the folder"
        )
    return (
        f"--model {asked} is not on this machine, and could not be fetched from huggingface.co ({type(error).__name__}); check "
        "the name and the network, or name a folder that it was saved in"
    )


def short(text: str) -> str:
    return text if len(text) <= 160 else text[:157] + "…"


def stored(bits: int | None) -> tuple[dict[str, Any], str]:
    """How weights are loaded, for transformers and for a reader: 4-bit through bitsandbytes, on CUDA where there is one."""
    cuda, tool = torch.cuda.is_available(), importlib.util.find_spec("bitsandbytes") is not None
    if bits == 4 and not tool:
        raise Trouble(f"--bits 4 needs bitsandbytes, not installed here: {INSTALL}")
    bits = bits or (32 if not cuda else 4 if tool else 16)
    place, where = ({"device_map": {"": 0}}, "on CUDA") if cuda else ({"device_map": {"": "cpu"}}, "on the CPU")
    if bits > 4:
        kind = torch.bfloat16 if bits == 16 else torch.float32
        return {"dtype": kind, **place}, f"{str(kind).removeprefix('torch.')} {where}"
    import transformers

    config = transformers.BitsAndBytesConfig(  # type: ignore[no-untyped-call]
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    return {"quantization_config": config, **place}, f"4-bit (nf4) {where}, computing in bfloat16"


def adapted(asked: Settings, model: Any) -> Any:
    """The model with adapters of peft, only they train; Trouble where no Linear has a wanted name."""
    import peft

    if getattr(model, "is_loaded_in_4bit", False):
        model = peft.prepare_model_for_kbit_training(model)  # type: ignore[no-untyped-call]
    config = peft.LoraConfig(
        r=asked.rank,
        lora_alpha=asked.alpha,  # type: ignore[arg-type]  # a float will do
        lora_dropout=asked.dropout,
        target_modules=list(asked.targets) if asked.targets else "all-linear",
        bias="none",
        task_type="CAUSAL_LM",
    )
    torch.manual_seed(asked.seed)
    try:
        return peft.get_peft_model(model, config)
    except ValueError:
        linears = {name.rpartition(".")[2] for name, m in model.named_modules() if isinstance(m, torch.nn.Linear)}
        raise Trouble(
            f"--targets {','.join(asked.targets or ())} names no Linear of {asked.model}; it has {', '.join(sorted(linears))}"
        ) from None


@contextlib.contextmanager
def quiet() -> Any:
    """Keep progress bars and advice of the libraries out of the way."""
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    import transformers

    messages: Any = transformers.utils.logging
    messages.set_verbosity_error()
    messages.disable_progress_bar()
    logging.getLogger("huggingface_hub").setLevel(logging.CRITICAL)
    with warnings.catch_warnings(), open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
        warnings.simplefilter("ignore")
        yield
    sys.stderr.flush()
