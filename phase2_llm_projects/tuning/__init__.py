"""Fine-tuning a causal language model by LoRA, and what came of it: the parts of `fathom run lora_finetune`."""
