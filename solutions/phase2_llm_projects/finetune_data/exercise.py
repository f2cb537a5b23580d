# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   fathom:
#     number: 20
#     title: Fine-tuning data
#     question: "A bank wants a model that knows its incidents and not its customers: what has to happen to a text before a model may learn from it?"
#     hours: 5
#     track: core
#     week: 11
#     needs: [attention]
#     sources:
#       - "ISO/IEC 7812-1, annex B: Luhn's formula for the check digit of a card number"
#       - "ISO 13616-1: the IBAN and its check digits"
#       - "GDPR, article 4 (5) and recital 26: pseudonymisation, and why it is not anonymity"
#       - "Ouyang et al.: Training language models to follow instructions with human feedback (2022), section 3"
#       - "Taori et al.: Stanford Alpaca (2023): loss on the answer only; Shi et al.: Instruction Tuning With Loss Over Instructions (2024)"
#       - "Krell et al.: Efficient Sequence Packing without Cross-contamination (2021), section 3"
#       - "Carlini et al.: Extracting Training Data from Large Language Models (2021)"
#     alone: [is_iban, find_personal, anonymise, targets, packed_mask]
#     from_scratch: [stdnum, presidio_analyzer, transformers, trl]
# ---

# %% [markdown]
# # Fine-tuning data
#
# **A bank wants a model that knows its incidents and not its customers: what has to happen to a text before a model may
# learn from it?**
#
# Fine-tuning itself is ten lines, and you have written them. What decides is what goes in. In this notebook raw
# tickets of a bank become training rows: names, cards and passwords are found and replaced, a conversation becomes
# tokens, and every token gets two answers: *may the model see you, and does it have to learn you?* At the end a small
# model is trained on the rows, and then three times on rows with one mistake in them. None of the three raises an error.
#
# Where this bites at work:
#
# - An assistant completes "the card number is" with a card number. It is somebody's.
# - The audit asks how many customers complained twice. The table of pseudonyms says none: each letter made its own.
# - The fine-tuned model is good, and does not stop. It answers, and then asks itself the next question.
# - Training got four times faster by packing. Since then the answers have a flavour of other people's tickets.
#
# | letter | meaning |
# |---|---|
# | $R$ | rows of a packed batch |
# | $T$ | tokens in a row |
# | $V$ | tokens in the vocabulary |
#
# A *span* is `(start, end, kind)`: text[start:end] is personal, and `kind` says what it is. Below a stub, `check("…")`
# gives the verdict and `hint("…")` a nudge.

# %%
from autograder import aha, carry, check, hint, palette  # first: its judge warms up while the rest is imported

import hashlib
import hmac
import random
import re
import time
import unicodedata
from collections import Counter

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from matplotlib.colors import ListedColormap
from torch import nn

from phase2_llm_projects import bank

INK, BLUE, ORANGE, GREEN, *_ = palette()
torch.set_num_threads(1)  # models as small as these only lose by sharing their work
world = bank.load()
for note in world.notes[:4]:
    print(note.text)

# %% [markdown]
# None of these people exist. `bank.load(cases="…", scripts="…", docs="…")` puts your own folders in the place of the
# invented incidents, scripts and runbooks; everything below works on them too.
#
# ## Is it a card?
#
# Sixteen digits in a row may be a card, an order, a tracking code or a timestamp. Blacken all of them, and the model
# never learns what an order number is. Luckily a card number is not any number. Its last digit is chosen so that this
# sum ends in 0 (Hans Peter Luhn, 1954, as a device of cogs and wheels):
#
# $$s = \sum_{i=0}^{n-1} \begin{cases} d_i & i \text{ even} \\ \text{sum of the digits of } 2 d_i & i \text{ odd}
# \end{cases} \qquad \text{where } d_0 \text{ is the } \textbf{last} \text{ digit}$$


# %% nbgrader={"grade_id": "luhn_sum", "solution": true}
def luhn_sum(digits):
    """Add up a number by Luhn's rule: a str of digits, such as "79927398713" -> int.

    The last digit counts as it is, the one before it twice, the one before that as it is, and so on by turns. Where
    twice a digit has two digits, these two are added: 7 counts as 1 + 4 = 5.
    """
    ### BEGIN SOLUTION luhn
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total
    ### END SOLUTION


# %% nbgrader={"grade_id": "is_card", "solution": true}
def is_card(text):
    """Say whether a text is a card number, such as "4242 4242 4242 4242": str -> bool.

    Spaces and hyphens are left out, wherever they stand. It is a card if 13 to 19 digits remain, and nothing else, and
    their Luhn sum ends in 0.
    """
    ### BEGIN SOLUTION luhn
    digits = re.sub("[ -]", "", text)
    return bool(re.fullmatch("[0-9]{13,19}", digits)) and luhn_sum(digits) % 10 == 0
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-luhn", "grade": true, "points": 2}
check("luhn")

# %% [markdown]
# **Predict.** Of a thousand random numbers of 16 digits, how many pass as a card? If one digit of a card is mistyped,
# how often does it still pass? And if two neighbours change places?

# %%
draw = random.Random(0)
by_chance = sum(is_card(str(draw.randrange(10**15, 10**16))) for _ in range(1000))
card, mistyped, exchanged = "4242424242424242", Counter(), Counter()
for i in range(16):
    mistyped += Counter(is_card(card[:i] + d + card[i + 1 :]) for d in "0123456789" if d != card[i])
for pair in (f"{a}{b}" for a in range(10) for b in range(10) if a != b):
    exchanged[(luhn_sum(pair) - luhn_sum(pair[::-1])) % 10 == 0] += 1
print(f"pass by chance: {by_chance} of 1000; with one digit mistyped: {mistyped[True]} of {mistyped.total()}")
print(f"neighbours exchanged and not noticed: {exchanged[True]} of {exchanged.total()} pairs (09 and 90)")

# %% [markdown]
# So one order number in ten looks like a card, and will be blackened. That is the price of not needing a list of all
# cards, and it is a low one.
#
# ## Is it an IBAN?
#
# An IBAN does better: one in 97. Take `DE89370400440532013000`. The first four signs go to the end. Letters become
# numbers, A = 10, B = 11, …, Z = 35. What stands there now is one very large number:
#
# $$\underbrace{370400440532013000}_{\text{bank, account}}\;\underbrace{13\,14}_{D\,E}\;\underbrace{89}_{\text{check}}
# \bmod 97 = 1$$


# %% nbgrader={"grade_id": "iban_remainder", "solution": true}
def iban_remainder(iban):
    """The remainder by which an IBAN is checked (ISO 13616): a str of digits and capital letters -> int from 0 to 96.

    The first four signs go to the end; then each letter stands for its number, A = 10 to Z = 35, written as two digits;
    the whole is read as one number, and divided by 97.
    """
    ### BEGIN SOLUTION iban
    turned = iban[4:] + iban[:4]
    return int("".join(str(int(sign, 36)) for sign in turned)) % 97
    ### END SOLUTION


# %% nbgrader={"grade_id": "is_iban", "solution": true}
def is_iban(text, lengths):
    """Say whether a text is an IBAN, such as "DE89 3704 0044 0532 0130 00": str -> bool.

    lengths  how many signs an IBAN has, by country: {"DE": 22, …}, as bank.IBAN_LENGTHS; one not listed has no IBANs
    Spaces are left out, wherever they stand, and small letters are as good as capital ones. Then it must begin with a
    country of `lengths` and two digits, go on with letters A to Z and digits to just that length, and leave the
    remainder 1.
    """
    ### BEGIN SOLUTION iban
    iban = text.replace(" ", "").upper()
    if not re.fullmatch("[A-Z]{2}[0-9]{2}[A-Z0-9]+", iban) or len(iban) != lengths.get(iban[:2]):
        return False
    return iban_remainder(iban) == 1
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-iban", "grade": true, "points": 2}
check("iban")

# %% [markdown]
# ## Is it a person?
#
# Names have no check digit. There are three things to go by: a directory of first names, the word before ("Mrs",
# "customer", "Dear"), and what else the same text says. And there are traps: *Jenkins* failed, *Cassandra* is slow,
# *May* was busy.
#
# The tedious half is given. `bank.capital_runs` returns the words with a capital that stand next to each other, without
# those that are known to mislead, each run as `(start, end, words, before)`:

# %%
text = "Mrs Vandenberghe rang about Jenkins. Told Luis van der Meer, who asked Kafka; Vandenberghe is furious."
for run in bank.capital_runs(text):
    print(run)

# %% [markdown]
# **Predict.** Which of these three runs are a person, and how do you know of the last one?


# %% nbgrader={"grade_id": "find_names", "solution": true}
def find_names(runs, first_names, cues):
    """Choose the runs that name a person: -> list of (start, end), in order.

    runs         those of one text, as bank.capital_runs returns them: (start, end, words, before), where `words` is a
                 list, and `before` the word before the run in small letters, or ""
    first_names  a set of first names, with a capital; it stays as it is
    cues         a set of words in lower case that announce a person
    A run is a name if one of its words is a first name, wherever it stands in the run (in many countries it comes
    last), or if the word before the run is a cue; either is enough. Then the same text is read once more, from its
    beginning, and now every word of the names found counts as a first name too, if it is longer than one letter. There
    are just these two readings: only what the first one found, when it has come to its end, teaches the second.
    """
    ### BEGIN SOLUTION names
    known = set(first_names)

    def names():
        return [run for run in runs if run[3] in cues or known.intersection(run[2])]

    known |= {word for _, _, words, _ in names() for word in words if len(word) > 1}
    return [(start, end) for start, end, _, _ in names()]
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-names", "grade": true, "points": 2}
check("names")

# %% [markdown]
# ## All of it, once
#
# The rest has a shape, so it can be found by a pattern: an address has an @, a password stands behind `password=`, a
# telephone number begins with + or 0. Patterns overlap. The digits within an IBAN look like a telephone number, and a
# password may look like anything. So the kinds are ordered, and **who comes first claims the place**. The patterns are
# given too, for they are no fun:

# %%
for kind, expression in bank.PATTERNS:
    print(f"{kind:8} {expression[:100]}{'…' * (len(expression) > 100)}")


# %% nbgrader={"grade_id": "find_personal", "solution": true}
def find_personal(text, patterns, names, lengths):
    """Find everything personal in a text: -> list of spans (start, end, kind), in order, no two of which overlap.

    patterns  pairs (kind, regular expression), in the order in which they claim their places: every match that
              re.finditer finds is one candidate. If the expression has a group (it has one at most), the value is the
              group; else the whole match.
    names     list of (start, end); their kind is "name", and they come after all patterns
    lengths   signs of an IBAN by country, for is_iban
    A candidate of kind "card" or "iban" counts only if is_card or is_iban says so of its value. One that overlaps a
    span that was found before, even in part, is left out. What is left out claims nothing.
    """
    ### BEGIN SOLUTION find
    candidates = [
        (*match.span(match.re.groups), kind) for kind, pattern in patterns for match in re.finditer(pattern, text)
    ]
    candidates += [(start, end, "name") for start, end in names]
    found = []
    for start, end, kind in candidates:
        if kind == "card" and not is_card(text[start:end]):
            continue
        if kind == "iban" and not is_iban(text[start:end], lengths):
            continue
        if all(end <= other[0] or other[1] <= start for other in found):
            found.append((start, end, kind))
    return sorted(found)
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-find", "grade": true, "points": 3}
check("find")

# %% [markdown]
# How good is it? The held-out notes were written by hand from other templates than `world.notes`, with other people
# and other ways to write a number, before any pattern was. Two questions, two numbers, for each kind:
#
# $$\text{recall} = \frac{\text{found and personal}}{\text{personal}}, \qquad
# \text{precision} = \frac{\text{found and personal}}{\text{found}}$$
#
# A span counts only if both of its ends are right.
#
# **Predict.** Which of the two is worth more here, and what does a miss of each cost? Which kind will be the worst?


# %%
def personal(text):
    """Everything personal in a text, by your own functions; names are looked for in what the patterns leave."""
    return bank.personal(text, find_names, find_personal)


def score(notes, find):
    """Precision and recall by kind, in percent, and of all together: -> dict of (precision, recall, how many)."""
    true, found, both = Counter(), Counter(), Counter()
    for note in notes:
        want, got = ({(s.start, s.end, s.kind) for s in note.spans}, set(find(note.text)))
        for counts, spans in ((true, want), (found, got), (both, want & got)):
            counts.update([*(kind for *_, kind in spans), *["all"] * len(spans)])
    return {
        kind: (100 * both[kind] / max(found[kind], 1), 100 * both[kind] / max(true[kind], 1), true[kind])
        for kind in (*bank.KINDS, "all")
    }


test = bank.held_out_notes()
checked = score(test, personal)
for kind, (precision, recall, count) in checked.items():
    print(f"{kind:8} {count:4}   precision {precision:5.1f}   recall {recall:5.1f}")

# %% [markdown]
# What would it be without the check digits? The same patterns, and every match believed. (A kind in capitals is one
# that your `find_personal` does not check.)

# %%
kinds = {"card": "CARD", "iban": "IBAN"}
unchecked = [(kinds.get(kind, kind), expression) for kind, expression in bank.PATTERNS]


def believing(text, patterns, names, lengths):
    """Your find_personal, but that it takes whatever looks like a card or an IBAN for one."""
    found = find_personal(text, unchecked, names, lengths)
    return [(start, end, kind.lower()) for start, end, kind in found]


def believed(text):
    """Everything personal in a text, and more: -> spans."""
    return bank.personal(text, find_names, believing)


scores = {"with check digits": checked, "every number believed": score(test, believed)}
fig, axes = plt.subplots(1, 2, figsize=(9, 3.4), sharey=True, gridspec_kw={"wspace": 0.1})
for ax, (title, rows) in zip(axes, scores.items()):
    for offset, column, colour, label in ((0.2, 1, ORANGE, "recall"), (-0.2, 0, BLUE, "precision")):
        ax.barh(
            [y + offset for y in range(len(rows))],
            [row[column] for row in rows.values()],
            0.36,
            color=colour,
            label=label,
        )
    ax.set_yticks(range(len(rows)), rows)
    ax.set(xlabel="percent of the held-out spans", title=title, xlim=(0, 100))
axes[1].legend(loc="lower left", bbox_to_anchor=(1, 0))
fig.suptitle("Check digits decide what may stay", y=1.04)
plt.show()

# %% [markdown]
# ## One person, one pseudonym
#
# Blacken everything, and the text is safe and dumb: "█ complained about █, like █ last week". Was it one customer or
# three? So each value gets a **pseudonym**, always the same one: in this ticket, in the next one, in next year's. A
# table from names to numbers would do it. It would also be the most dangerous file in the bank. A keyed hash needs no
# table, only a key:
#
# $$\text{tag}(\text{kind}, v) = \text{first 8 hex digits of HMAC-SHA256}_{\text{key}}(\text{kind}
# \,\texttt{":"}\, \text{canonical}(v))$$
#
# `canonical` is there because people write one thing in many ways: *Kovács*, *KOVACS*; `DE89 3704…`, `de893704…`. And
# a name is replaced word by word, so that "Ms Kovács" on page two is the Anna Kovács of page one.
#
# **Predict.** 8 hex digits are 4.3 billion tags. From about how many customers on will two of them share a tag?


# %% nbgrader={"grade_id": "canonical", "solution": true}
def canonical(value):
    """Bring a value into the form that all its spellings share: str -> str.

    First Unicode's NFKD, which takes letters and accents apart; then small letters by str.casefold; then nothing but
    letters and digits is kept, so that accents, spaces, dots and hyphens are gone.
    """
    ### BEGIN SOLUTION pseudonyms
    return "".join(sign for sign in unicodedata.normalize("NFKD", value).casefold() if sign.isalnum())
    ### END SOLUTION


# %% nbgrader={"grade_id": "pseudonym", "solution": true}
def pseudonym(kind, value, key):
    """Replace a value, the same way everywhere: ("card", "4242 4242…", b"key") -> "<card-3f9c2a1b>".

    It is "<", the kind, "-", a tag, ">". The tag is the first 8 hexadecimal digits of HMAC with SHA-256 under `key`
    (bytes) of the text kind + ":" + canonical(value), in UTF-8.
    A value of kind "name" is replaced word by word, cut at white space: each word gets its own pseudonym of kind
    "name", and one space stands between two.
    """
    ### BEGIN SOLUTION pseudonyms
    words = value.split() if kind == "name" else [value]
    tags = [hmac.new(key, f"{kind}:{canonical(word)}".encode(), hashlib.sha256).hexdigest()[:8] for word in words]
    return " ".join(f"<{kind}-{tag}>" for tag in tags)
    ### END SOLUTION


# %% nbgrader={"grade_id": "anonymise", "solution": true}
def anonymise(text, spans, key):
    """Replace every span of a text by its pseudonym, and nothing else: str -> str.

    spans  a list of (start, end, kind), in any order; no two overlap. The same word elsewhere stays as it is.
    """
    ### BEGIN SOLUTION pseudonyms
    for start, end, kind in sorted(spans, reverse=True):
        text = text[:start] + pseudonym(kind, text[start:end], key) + text[end:]
    return text
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-pseudonyms", "grade": true, "points": 3}
check("pseudonyms")

# %%
KEY = b"a secret of the bank that never leaves it"
ticket = "Anna Kovács (DE89 3704 0044 0532 0130 00) called; order 4242424242424241. Ms KOVÁCS will pay from de89370400440532013000."
for text in (ticket, world.incidents[1].report.text):
    print(anonymise(text, personal(text), KEY), end="\n\n")
print(f"two of n customers share a tag with probability 1/2 from n = {(2 * 0.693 * 16**8) ** 0.5:,.0f} on")

# %% [markdown]
# Did you see it? "KOVÁCS" in capitals stayed. `bank.capital_runs` takes words in capitals for abbreviations. Every rule
# leaks somewhere, which is why one measures, and why a person reads a sample before anything is trained.
#
# A pseudonym is not anonymity either. Whoever has the key, or knows what else the ticket says, may still find the
# person; the law calls such data personal, and so should you.
#
# ## What the model is shown
#
# A model reads one long row of tokens. That somebody speaks, and who, has to be written into it. Two marks that occur
# in no text do that, here called `start` and `end`:
#
# ```
# start user ⏎ Name the root cause … end ⏎ start assistant ⏎ The disk was full. end ⏎
# ```
#
# What should it learn? Not to write tickets: those it is given. Not who speaks next: the program around it decides.
# It learns **what an assistant says, and that it has finished**. The `end` is the one token by which it can say so.


# %% nbgrader={"grade_id": "render", "solution": true}
def render(messages, encode, start, end):
    """Turn a conversation into tokens: -> (ids, answer), two lists of one length; answer holds bools.

    messages    list of {"role": …, "content": …}, roles "system", "user", "assistant", in any number and order
    encode      function str -> list of ints
    start, end  ids of the two marks; encode never returns them
    Each message becomes: start, encode(role + "\n"), encode(content), end, encode("\n"). Each of the three texts is
    encoded by itself. answer is True for the content of every assistant message and for the end behind it, and False
    for everything else.
    """
    ### BEGIN SOLUTION chat
    ids, answer = [], []
    for message in messages:
        speaks = message["role"] == "assistant"
        head = [start, *encode(message["role"] + "\n")]
        body = [*encode(message["content"]), end]
        tail = encode("\n")
        ids += head + body + tail
        answer += [False] * len(head) + [speaks] * len(body) + [False] * len(tail)
    return ids, answer
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-chat", "grade": true, "points": 2}
check("chat")

# %% [markdown]
# `encode` gets the content by itself, so a customer who types the text of a mark has typed some letters, and not
# ended a turn. Programs that first join everything into one string and then encode it can be talked into anything.
#
# ## What it learns
#
# The token at position $t$ is read, and the one at $t + 1$ is to be foretold. So a row of $n$ tokens makes $n - 1$
# pairs, and **whether a pair counts is up to the token that is foretold**. A target that does not count is set to
# −100, which is what every library takes for "leave this out".
#
# $$L = -\frac{1}{N} \sum_{t:\ y_t \ne -100} \ln p_t(y_t), \qquad N = \text{how many } y_t \ne -100$$

# %%
IGNORE = -100


# %% nbgrader={"grade_id": "targets", "solution": true}
def targets(ids, answer):
    """What is read, and what is to be foretold from it: two lists of n -> (inputs, targets), int64 tensors of n - 1.

    targets[t] is the token behind inputs[t] if `answer` is True for that token, and IGNORE (-100) if it is not.
    """
    ### BEGIN SOLUTION targets
    ids, answer = torch.tensor(ids), torch.tensor(answer)
    return ids[:-1], ids[1:].masked_fill(~answer[1:], IGNORE)
    ### END SOLUTION


# %% nbgrader={"grade_id": "answer_loss", "solution": true}
def answer_loss(logits, targets):
    """The mean of -ln p(target) over all positions that count: (…, T, V), (…, T) int64 -> scalar.

    Positions whose target is IGNORE do not count, neither above nor below the fraction bar. Every token that counts
    has the same weight, whatever row it stands in. If none counts, the loss is 0 and so is its gradient.
    """
    ### BEGIN SOLUTION targets
    losses = F.cross_entropy(logits.flatten(0, -2), targets.flatten(), ignore_index=IGNORE, reduction="sum")
    return losses / (targets != IGNORE).sum().clamp(min=1)
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-targets", "grade": true, "points": 3}
check("targets")

# %% [markdown]
# Now the three tasks. From the incidents: name the root cause. From the requests: write the script. From notes: write
# the guide. All of it goes through your anonymiser first. The tokenizer is a list of words, which is enough for a
# world as small as this one.


# %% nbgrader={"grade_id": "conversations"}
def conversations(world):
    """The three tasks as conversations, not anonymised yet: -> dict from task to a list of them.

    Of the scripts a hundred are enough here.
    """
    name, write = "Name the root cause.", "Write a {} script."
    guide = "Write a guide from these notes."

    def ask(instruction, given, answer):
        roles = ("system", instruction), ("user", given), ("assistant", answer)
        return [{"role": role, "content": content} for role, content in roles]

    return {
        "root cause": [ask(name, i.report.text, i.root_cause) for i in world.incidents],
        "script": [ask(write.format(s.language), s.request, s.text) for s in world.scripts[:100]],
        "guide": [ask(guide, "\n".join(r.notes), r.text) for r in world.runbooks],
    }


class Words:
    """A tokenizer of whole words and signs, with the space before them; what it has not seen is `unknown`."""

    def __init__(self, texts, least=8):
        counts = Counter(piece for text in texts for piece in self.pieces(text))
        seen = [piece for piece, count in counts.items() if count >= least]
        self.names = ["▢", "«", "»", "?", *seen]  # pad, start, end, unknown
        self.ids = {piece: i for i, piece in enumerate(self.names)}

    def pieces(self, text):
        return re.findall(r"\n *| ?[\w<>-]+(?:[.:/][\w-]+)*| ?\S|\s", text)

    def encode(self, text):
        return [self.ids.get(piece, 3) for piece in self.pieces(text)]

    def decode(self, ids):
        return "".join(self.names[i] for i in ids)


def safe(conversation):
    """A conversation without anything personal."""

    def clean(text):
        return anonymise(text, personal(text), KEY)

    return [{**message, "content": clean(message["content"])} for message in conversation]


began = time.perf_counter()
tasks = {task: [safe(each) for each in found] for task, found in conversations(world).items()}
print(f"{sum(map(len, tasks.values()))} conversations made safe in {time.perf_counter() - began:.1f} s")
texts = [m["content"] for found in tasks.values() for each in found for m in each]
words = Words(texts + 8 * ["system\nuser\nassistant\n"])
PAD, START, END = 0, 1, 2

# %% [markdown]
# **Predict.** Of 100 tokens of a root-cause conversation, how many does the model learn from? And of a script's?


# %%
def in_tokens(found):
    """Conversations as tokens: -> list of (ids, answer)."""
    return [render(each, words.encode, START, END) for each in found]


rendered = {task: in_tokens(found) for task, found in tasks.items()}
for task, found in rendered.items():
    learned = sum(sum(answer) for _, answer in found)
    shown = sum(len(ids) for ids, _ in found)
    part = f"learned from {learned / shown:.0%}"
    print(f"{task:10} {len(found):3} conversations, {shown:6,} tokens, {part}")


def draw_strip(ax, pieces, colours, width=116):
    """Write pieces of text in lines of `width` signs, each on a patch of its colour (None: no patch)."""
    x = y = 0
    for piece, colour in zip(pieces, colours):
        shown = piece.replace("\n", "⏎").replace(" ", "·")
        if x + len(shown) > width:
            x, y = 0, y + 1
        if colour:
            size = {"width": len(shown) * 0.97, "height": 0.84}
            ax.add_patch(plt.Rectangle((x, -y - 0.42), **size, color=colour, alpha=0.35, lw=0))
        ax.text(x, -y, shown, family="monospace", fontsize=8.2, va="center")
        x += len(shown)
    ax.set(xlim=(0, width), ylim=(-y - 0.7, 0.7))
    ax.axis("off")


ids, answer = rendered["root cause"][1]
pieces = [words.names[i] for i in ids]
fig, axes = plt.subplots(2, 1, figsize=(9, 5))
fig.subplots_adjust(left=0.01, right=0.99, bottom=0.01, top=0.94, hspace=0.15)
inputs, labels = targets(ids, answer)
draw_strip(axes[0], pieces[:-1], [BLUE] * len(inputs))
draw_strip(
    axes[1],
    [words.names[y] if y != IGNORE else "·" * len(p) for y, p in zip(labels.tolist(), pieces[1:])],
    [ORANGE if y != IGNORE else None for y in labels.tolist()],
)
axes[0].set_title("what the model sees (« start, » end)", loc="left")
axes[1].set_title("what it learns, one token later", loc="left")
plt.show()

# %% [markdown]
# ## Packing
#
# Conversations are long and short. Padded to the longest, most of a batch is nothing. So several are laid into one
# row, one behind the other, like suitcases. Three things must then be told to the model, because it cannot know: where
# each begins (*segments*), what position a token has **in its own conversation**, and that nobody looks across.


# %% nbgrader={"grade_id": "pack", "solution": true}
def pack(examples, T, pad):
    """Lay examples into rows of T tokens: -> (ids, targets, segments), each (R, T) int64.

    examples  list of one or more (inputs, targets), int64 tensors of one length, as `targets` returns them
    pad       the id that fills what is left of a row; its targets are IGNORE, its segments 0
    Each example, in the order given, goes into the first row that has room for all of it, behind what lies there; if
    none has, a new row is begun. Rows stay in the order in which they were begun. In `segments` the examples of a row
    count from 1. An example longer than T raises a ValueError; nothing is ever cut.
    """
    ### BEGIN SOLUTION pack
    rows, room = [], []
    for number, (inputs, labels) in enumerate(examples):
        if len(inputs) > T:
            raise ValueError(f"example {number} has {len(inputs)} tokens; a row holds {T}")
        row = next((i for i, left in enumerate(room) if left >= len(inputs)), len(rows))
        if row == len(rows):
            rows.append([])
            room.append(T)
        rows[row].append((inputs, labels))
        room[row] -= len(inputs)
    packed = [torch.full((len(rows), T), fill) for fill in (pad, IGNORE, 0)]
    for row, members in enumerate(rows):
        at = 0
        for segment, (inputs, labels) in enumerate(members, 1):
            place = slice(at, at + len(inputs))
            for whole, part in zip(packed, (inputs, labels, segment)):
                whole[row, place] = part
            at += len(inputs)
    return tuple(packed)
    ### END SOLUTION


# %% nbgrader={"grade_id": "positions_of", "solution": true}
def positions_of(segments):
    """The position of each token in its own segment, from 0: (R, T) int64 -> (R, T) int64; padding has 0.

    A segment's tokens stand side by side; padding (segment 0) may stand anywhere.
    """
    ### BEGIN SOLUTION pack
    at = torch.arange(segments.size(1)).expand_as(segments)
    new = torch.ones_like(segments, dtype=torch.bool)
    new[:, 1:] = segments[:, 1:] != segments[:, :-1]
    begun = (at * new).cummax(1).values
    return (at - begun) * (segments > 0)
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-pack", "grade": true, "points": 3}
check("pack")


# %% nbgrader={"grade_id": "packed_mask", "solution": true}
def packed_mask(segments):
    """Say who may look at whom in packed rows: (R, T) int64 -> (R, 1, T, T) bool, True = row i may look at column j.

    Position i may look at j if both belong to the same segment and j is not behind i; padding (segment 0) looks at
    nobody, and nobody looks at it. The axis of size 1 stands for all heads.
    """
    ### BEGIN SOLUTION mask
    same = segments[:, :, None] == segments[:, None, :]
    real = (segments > 0)[:, :, None]
    return (same & real).tril()[:, None]
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-mask", "grade": true, "points": 2}
check("mask")

# %% [markdown]
# **Predict.** Rows of 256 tokens, and the root causes alone. How many rows, and how full? What does the mask of a row
# with three conversations look like?

# %%
T = 256
examples = [targets(*each) for each in rendered["root cause"]]
ids, labels, segments = pack(examples, T, PAD)
longest = max(len(inputs) for inputs, _ in examples)
filled = sum(len(inputs) for inputs, _ in examples) / len(examples) / longest
print(
    f"{len(examples)} conversations: padded to {longest}, {filled:.0%} full;"
    f" packed into {len(ids)} rows of {T}, {(segments > 0).float().mean():.0%} full"
)

fig, axes = plt.subplots(1, 2, figsize=(9, 4.4), gridspec_kw={"wspace": 0.15})
for ax, (title, mask) in zip(
    axes,
    {
        "packed_mask": packed_mask(segments[:1])[0, 0],
        "causal only": torch.ones(T, T).tril().bool(),
    }.items(),
):
    own = (segments[0][:, None] == segments[0][None, :]) & (segments[0] > 0)[:, None]
    picture = mask.long() * (2 - own.long())  # 1: may look at its own; 2: at somebody else's
    colours = ListedColormap(["#00000000", BLUE, ORANGE])
    ax.imshow(picture, cmap=colours, vmin=0, vmax=2, interpolation="nearest")
    ax.set(title=title, xlabel="is looked at")
    ax.spines[:].set_visible(True)
axes[0].set_ylabel("looks")
fig.suptitle("Blue: its own conversation. Orange: somebody else's, or padding")
plt.show()

# %% [markdown]
# Both masks are causal, and no future leaks through either. The orange part is what packing adds when nobody tells the
# model about it: every conversation reads the ones before it.
#
# ## See it work
#
# A very small model: your attention from exercise 13 in one layer. It is given ids, positions and a mask, and knows
# nothing of packing. It learns to name root causes, for now three kinds of the twelve.

# %%
attention = carry("attention")


class Clerk(nn.Module):
    """One block: ids (R, T), positions (R, T), mask (R, 1, T, T) -> logits (R, T, V), or those `at`."""

    def __init__(self, V, C=48, H=1):
        super().__init__()
        self.word, self.position = nn.Embedding(V, C), nn.Embedding(T, C)
        self.attend = attention.MultiHeadAttention(C, H)
        self.think = nn.Sequential(nn.Linear(C, 4 * C), nn.GELU(), nn.Linear(4 * C, C))
        self.norms = nn.ModuleList([nn.LayerNorm(C) for _ in range(3)])
        nn.init.normal_(self.word.weight, std=0.1)
        nn.init.normal_(self.position.weight, std=0.1)

    def forward(self, ids, positions, mask, at=None):
        x = self.word(ids) + self.position(positions)
        x = x + self.attend(self.norms[0](x), mask=mask)
        x = x + self.think(self.norms[1](x))
        x = self.norms[2](x)
        return (x if at is None else x[at]) @ self.word.weight.T


def train(rows, steps=80, rate=1e-2):
    """Train a Clerk on packed rows (ids, targets, segments); return it with its losses."""
    torch.manual_seed(0)
    ids, labels, segments = rows
    positions, mask = positions_of(segments), packed_mask(segments)
    clerk, losses = Clerk(len(words.names)), []
    optimizer = torch.optim.Adam(clerk.parameters(), lr=rate, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1, (step + 1) / 10, 2 * (1 - (step + 1) / (steps + 1)))
    )
    for _ in range(steps):
        some = torch.randint(len(ids), (2,))
        counts = labels[some] != IGNORE  # nobody asks for the logits of the rest
        logits = clerk(ids[some], positions[some], mask[some], counts)
        loss = answer_loss(logits, labels[some][counts])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return clerk.eval(), losses


def ask(clerk, conversation, most=20):
    """Let the clerk answer the last question of a conversation, word by word, to END or `most` words."""
    ids, _ = render(conversation, words.encode, START, END)
    ids = [*ids, START, *words.encode("assistant\n")]
    answer = []
    with torch.no_grad():
        while len(answer) < most and (not answer or answer[-1] != END):
            row = torch.tensor([[*ids, *answer]])[:, -T:]
            one = torch.ones_like(row)
            logits = clerk(row, positions_of(one), packed_mask(one), at=(0, -1))
            answer.append(logits.argmax().item())
    return answer


causes = "expired_certificate", "full_disk", "pool_exhausted", ""  # cases of your own have none
chosen = [each for each, i in zip(rendered["root cause"], world.incidents) if i.cause in causes]
rows = pack([targets(*each) for each in chosen], T, PAD)
clerk, losses = train(rows)
print(f"loss per token: {losses[0]:.2f} at first, {losses[-1]:.2f} after {len(losses)} steps")
other = bank.load(seed=1)
asked = zip(conversations(other)["root cause"], other.incidents)
fresh = [safe(each) for each, i in list(asked)[:60] if i.cause in causes][:12]
answers = [ask(clerk, conversation[:2]) for conversation in fresh]
for conversation, answer in zip(fresh[:3], answers):
    print("\n" + conversation[1]["content"], "\n  the clerk:", words.decode(answer))

# %% [markdown]
# It gets the kind of cause, and names the wrong service: copying takes longer to learn. But it answers in the form it
# was shown, about reports it has never seen, and **it stops**. `»` is the `end` that it chose itself.
#
# ## Watch it break
#
# **First break: it never learned to stop.** The same rows, but the `end` behind an answer does not count. One token of
# a hundred.
#
# **Predict.** What happens to the loss: better, worse, the same? And what does the clerk do where it would have
# stopped?


# %%
def without_end(ids, answer):
    """The flags of a conversation without those of its `end` marks."""
    return [flag and token != END for token, flag in zip(ids, answer)]


unmarked = [targets(ids, without_end(ids, answer)) for ids, answer in chosen]
endless, endless_losses = train(pack(unmarked, T, PAD))
print(f"loss {endless_losses[-1]:.2f}; with the end it was {losses[-1]:.2f}\n")
rambling = [ask(endless, conversation[:2]) for conversation in fresh]
for name, found in {"with the end": answers, "without": rambling}.items():
    stopped = sum(answer[-1] == END for answer in found)
    print(f"{name:12} stops in {stopped} of {len(found)} answers;", end=" ")
    print(f"for example: {words.decode(found[0])}\n")

# %% [markdown]
# The loss has nothing to say about it: the token that went wrong is not in it. In production this is the assistant
# that answers, and answers, until somebody else's limit cuts it off. (Some chat templates end a turn with the same
# token that fills up a row. Mask the padding by its id, and you have this bug.)
#
# **Second break: somebody else's ticket.** The clerk is as it was. Now it reads a full row of conversations, packed
# three ways, and we look how far its opinion at each token is from the one it has when the conversation is alone.
#
# **Predict.** Which conversation of the row shows no difference at all, in any of the three ways?

# %%
row = next(i for i in range(len(rows[0])) if rows[2][i].max() >= 3)
ids, segment = rows[0][row : row + 1], rows[2][row : row + 1]
own, counted, causal = packed_mask(segment), torch.arange(T)[None], torch.ones(1, 1, T, T).tril().bool()
with torch.no_grad():
    alone = torch.zeros(T, len(words.names))
    for number in range(1, segment.max() + 1):
        here = segment[0] == number
        one = torch.ones(1, here.sum(), dtype=torch.int64)
        alone[here] = clerk(ids[:, here], positions_of(one), packed_mask(one))[0].softmax(-1)
    seen = {
        "packed_mask, positions_of": clerk(ids, positions_of(segment), own),
        "positions not restarted": clerk(ids, counted, own),
        "no walls between conversations": clerk(ids, positions_of(segment), causal),
    }
fig, axes = plt.subplots(3, 1, figsize=(9, 5), sharex=True, sharey=True)
fig.subplots_adjust(hspace=0.4)
for ax, colour, (title, logits) in zip(axes, (GREEN, BLUE, ORANGE), seen.items()):
    apart = 0.5 * (logits[0].softmax(-1) - alone).abs().sum(-1) * (segment[0] > 0)
    ax.fill_between(range(T), apart, color=colour, alpha=0.7, lw=0, step="mid")
    ax.set_title(f"{title}: {apart.mean():.2f} on average", loc="left")
    for edge in (segment[0].diff().nonzero()[:, 0] + 0.5).tolist():
        ax.axvline(edge, color=INK, lw=1, ls=":")
axes[1].set_ylabel("distance from its opinion when alone")
axes[2].set(xlabel="token of the row; dotted: the next conversation begins", ylim=(0, 1))
plt.show()

# %% [markdown]
# The first conversation of a row has nobody before it, and its positions begin at 0 in any case. A test on the first
# one, or on rows of one, passes with both mistakes.
#
# **Third break: a hash is no secret.** A colleague leaves the key out: "SHA-256 cannot be inverted." True. Here are
# the pseudonyms of all names in the notes, made without a key, and a list of names such as anybody can download.
#
# **Predict.** How many come back, and how long does it take?

# %%
names = {note.text[s.start : s.end].split()[-1] for note in world.notes for s in note.spans if s.kind == "name"}
shown = {hashlib.sha256(f"name:{canonical(name)}".encode()).hexdigest()[:8] for name in names}
began = time.perf_counter()
directory = [*bank.SURNAMES, *bank.FIRST_NAMES]
guesses = {hashlib.sha256(f"name:{canonical(guess)}".encode()).hexdigest()[:8]: guess for guess in directory}
back = [guesses[tag] for tag in shown if tag in guesses]
print(
    f"{len(back)} of {len(shown)} are back after {1000 * (time.perf_counter() - began):.1f} ms: {', '.join(sorted(back)[:5])} …"
)
keyed = {pseudonym("name", name, KEY)[6:-1] for name in names}
print(f"with a key that is not known: {sum(tag in guesses for tag in keyed)}")

# %% [markdown]
# Nobody inverts a hash; one tries. There are few surnames, few telephone numbers, and only a billion account numbers.
# The key is what cannot be tried, so it is the one thing that has to be kept apart from the data.
#
# ## An open experiment
#
# Your anonymiser is measured on invented notes. Where does it fail on yours? `bank.load(docs="…")` reads a folder of
# text. Guess first which kind will be worst, then print what `personal` finds in twenty files and read them with a
# pencil. Or break it on purpose: write five sentences in which it misses a person, and mend one of them without
# making the held-out table worse.

# %%
# your experiment

# %% [markdown]
# ## In your own words
#
# What do you know now that you did not this morning? One or two sentences, as you would tell a colleague. For
# example: "The mask belongs to the token that is foretold, not to the one that is read. Since then I print the strip of
# what is learned before I start a run."

# %%
words_of_mine = ""
if words_of_mine:
    aha(words_of_mine)
