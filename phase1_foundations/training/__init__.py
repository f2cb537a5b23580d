"""What `train_gpt.py` is made of: nouns here, verbs there. The lesson's own parts come by `carry`, see parts.py."""
