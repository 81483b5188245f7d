"""A transformer written by hand that does the task; the role of every head is known.

The residual stream has a one-hot block for each thing the heads talk about:

    name   which name stands here           where   which position this is
    before which name stands one before     first   where this name was first said
    avoid  which position to avoid          answer  which name to say

and flags. Heads (layer.head): 0.0 previous token, 0.1 duplicate token, 1.0 induction, 2.0
S-inhibition, 3.0 name mover, 3.1 negative name mover, 4.0 backup name mover. All others are zero.
"""

import torch

from interp_rl.ioi.weights import Weights

ROLES = {
    "name mover": [(3, 0)],
    "negative name mover": [(3, 1)],
    "backup name mover": [(4, 0)],
    "S-inhibition": [(2, 0)],
    "induction": [(1, 0)],
    "duplicate token": [(0, 1)],
    "previous token": [(0, 0)],
}
CONTEXT = 32
FLAGS = ("bos", "end", "is name", "is repeated")


def build(tokenizer, names):
    """The weights, for single-token names of a word-level tokenizer."""
    vocabulary, n = tokenizer.get_vocab(), len(names)
    sizes = {"name": n, "where": CONTEXT, "before": n, "first": CONTEXT, "avoid": CONTEXT}
    sizes |= {"answer": n} | dict.fromkeys(FLAGS, 1)
    blocks, width = {}, 0
    for block, size in sizes.items():
        blocks[block] = slice(width, width + size)
        width += size
    d_head = n + CONTEXT + 1
    to_name, to_where, to_rest = slice(0, n), slice(n, n + CONTEXT), slice(n + CONTEXT, d_head)
    parts = {part: torch.zeros(5, 2, width, d_head) for part in "qkv"}
    out = torch.zeros(5, 2, d_head, width)
    rest = torch.zeros(5, 2, d_head)  # every query looks for BOS a little: a place to rest

    def read(part, head, block, into, gain):
        size = sizes[block]
        parts[part][head][blocks[block], into] += gain * torch.eye(size, into.stop - into.start)

    def write(head, source, block, gain=1.0):
        out[head][source, blocks[block]] += gain * torch.eye(
            source.stop - source.start, sizes[block]
        )

    def rests_on_bos(head, strength):
        rest[head][to_rest] = 1.0
        read("k", head, "bos", to_rest, strength)

    one_back = torch.roll(torch.eye(CONTEXT), -1, 1)  # position t to position t - 1

    # 0.0 looks one position back and notes the name there
    parts["q"][0, 0][blocks["where"], to_where] = 4 * one_back
    read("k", (0, 0), "where", to_where, 1.0)
    read("v", (0, 0), "name", to_name, 0.1)
    write((0, 0), to_name, "before")

    # 0.1 looks for the same name, never at itself, and notes where it was
    read("q", (0, 1), "name", to_name, 4.0)
    read("k", (0, 1), "name", to_name, 1.0)
    read("q", (0, 1), "where", to_where, -8.0)
    read("k", (0, 1), "where", to_where, 1.0)
    rests_on_bos((0, 1), 15.0)
    read("v", (0, 1), "where", to_where, 0.1)
    write((0, 1), to_where, "first")
    parts["v"][0, 1][blocks["is name"], to_rest] = 0.1  # found a name, not BOS: it is repeated
    write((0, 1), to_rest, "is repeated")

    # 1.0 looks for the position whose predecessor has this name, and notes one before it
    read("q", (1, 0), "name", to_name, 4.0)
    read("k", (1, 0), "before", to_name, 1.0)
    rests_on_bos((1, 0), 15.0)
    parts["v"][1, 0][blocks["where"], to_where] = 0.07 * one_back
    write((1, 0), to_where, "first")

    # 2.0 looks from END for what is repeated, and notes where that was first
    parts["q"][2, 0][blocks["end"], to_rest] = 4.0
    parts["k"][2, 0][blocks["is repeated"], to_rest] = 1.0
    read("k", (2, 0), "bos", to_rest, 0.3)
    read("v", (2, 0), "first", to_where, 0.1)
    write((2, 0), to_where, "avoid")

    # 3.0, 3.1 and 4.0 look from END for names, but for those repeated or to be avoided
    for head, gain in (((3, 0), 1.0), ((3, 1), -0.3), ((4, 0), 1.0)):
        parts["q"][head][blocks["end"], to_rest] = 3.0
        parts["k"][head][blocks["is name"], to_rest] = 1.0
        parts["k"][head][blocks["is repeated"], to_rest] = -3.0
        parts["k"][head][blocks["bos"], to_rest] = 0.5
        # so little for the name movers that duplicate token and induction heads are both needed
        read("q", head, "avoid", to_where, -8.0 if head == (4, 0) else -0.35)
        read("k", head, "where", to_where, 1.0)
        read("v", head, "name", to_name, 0.1)
        write(head, to_name, "answer", gain)
    # 4.0 leaves a name alone that has been said already
    read("q", (4, 0), "answer", to_name, -12.0)
    read("k", (4, 0), "name", to_name, 1.0)

    embedding = torch.zeros(len(vocabulary), width)
    unembedding = torch.zeros(width, len(vocabulary))
    for index, name in enumerate(names):
        embedding[vocabulary[name], blocks["name"].start + index] = 1
        embedding[vocabulary[name], blocks["is name"]] = 1
        unembedding[blocks["answer"].start + index, vocabulary[name]] = 1
    embedding[tokenizer.bos_token_id, blocks["bos"]] = 1
    for word in ("to", "for"):
        embedding[vocabulary[word], blocks["end"]] = 1
    positions = torch.zeros(CONTEXT, width)
    positions[:, blocks["where"]] = torch.eye(CONTEXT)
    return Weights(
        W_E=embedding,
        W_pos=positions,
        W_Q=parts["q"],
        b_Q=rest,
        W_K=parts["k"],
        b_K=torch.zeros(5, 2, d_head),
        W_V=parts["v"],
        b_V=torch.zeros(5, 2, d_head),
        W_O=out,
        b_O=torch.zeros(5, width),
        W_in=torch.zeros(5, width, 1),
        b_in=torch.zeros(5, 1),
        W_out=torch.zeros(5, 1, width),
        b_out=torch.zeros(5, width),
        W_U=unembedding,
        b_U=torch.zeros(len(vocabulary)),
    )
