"""The same experiments by brute force: one intervention at a time, by hooks on transformer_lens.

Slow, literal and independent of `interp_rl.ioi`'s own forward pass; tests compare the two.
"""

import copy
import tempfile

import torch


def random_models(tokenizer, *, seed, layers, heads, d_head, mlp, spread=0.25):
    """A random GPT-2 with biases and LayerNorms that do something, plain and as a bridge."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(seed)
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=64,
        n_embd=heads * d_head,
        n_layer=layers,
        n_head=heads,
        n_inner=mlp or 1,
        attn_implementation="eager",
        bos_token_id=0,
        eos_token_id=0,
    )
    plain = GPT2LMHeadModel(config).eval()
    with torch.no_grad():
        for name, parameter in plain.named_parameters():
            parameter.add_(spread * torch.randn_like(parameter))
            if ".mlp." in name and not mlp:
                parameter.zero_()
    bridge = boot(copy.deepcopy(plain), tokenizer)
    bridge.enable_compatibility_mode(disable_warnings=True)
    return plain, bridge


def boot(plain, tokenizer):
    """A bridge on a model, which it takes over."""
    from transformer_lens.model_bridge import TransformerBridge
    from transformers import AutoTokenizer

    with tempfile.TemporaryDirectory() as directory:  # transformer_lens loads it a second time
        tokenizer.save_pretrained(directory)
        return TransformerBridge.boot_transformers(
            "random",
            hf_model=plain,
            tokenizer=AutoTokenizer.from_pretrained(directory),
            device="cpu",
        )


def logit_difference(logits, dataset):
    rows = torch.arange(len(dataset))
    last = logits[rows, dataset.positions["END"]]
    return last[rows, dataset.io_ids] - last[rows, dataset.s_ids]


def run(bridge, tokens, hooks=()):
    with torch.no_grad():
        return bridge.run_with_hooks(tokens, fwd_hooks=list(hooks))


def record(bridge, tokens, ending, hooks=()):
    """Every activation whose name ends so, with hooks that change the run."""
    kept = {}

    def keep(value, hook):
        kept[hook.name] = value.clone()

    names = [name for name in bridge.hook_dict if name.endswith(ending)]
    run(bridge, tokens, [*hooks, *((name, keep) for name in names)])
    return kept


def cells(position, dataset, length):
    """True at a named position of each prompt, or everywhere."""
    mask = torch.zeros(len(dataset), length, dtype=torch.bool)
    if position is None:
        return ~mask
    mask[torch.arange(len(dataset)), dataset.positions[position]] = True
    return mask


def replacing(names_to_values, nodes, dataset):
    """Hooks that replace the outputs of nodes (layer, head, position)."""
    hooks = []
    for layer, head, position in nodes:
        name = f"blocks.{layer}.attn.hook_z"

        def replace(z, hook, head=head, position=position, name=name):
            where = cells(position, dataset, z.shape[1])
            z = z.clone()
            z[:, :, head][where] = names_to_values[name][:, :, head][where]
            return z

        hooks.append((name, replace))
    return hooks


def zeros_like_outputs(bridge, tokens):
    return {name: torch.zeros_like(z) for name, z in record(bridge, tokens, "attn.hook_z").items()}


def mean_outputs(bridge, dataset, reference):
    """Head outputs averaged over the reference's prompts of the same template, prompt by prompt."""
    theirs = record(bridge, reference.tokens, "attn.hook_z")
    own = record(bridge, dataset.tokens, "attn.hook_z")
    for name in own:
        for row, prompt in enumerate(dataset.prompts):
            same = [i for i, p in enumerate(reference.prompts) if p.template == prompt.template]
            end = int(dataset.positions["END"][row])
            own[name][row, : end + 1] = torch.stack(
                [theirs[name][i, : end + 1] for i in same]
            ).mean(0)
    return own


def path_patch(bridge, clean, corrupted, sender, receivers, mlps="recomputed", off=()):
    """The paper's four passes for one sender, a list of nodes; `off` are hooks in every pass."""
    heads = range(bridge.cfg.n_heads)
    everything = [(layer, head, None) for layer in range(bridge.cfg.n_layers) for head in heads]
    pass_a = record(bridge, corrupted.tokens, "attn.hook_z", off)
    pass_b = record(bridge, clean.tokens, "attn.hook_z", off)

    hooks = replacing(pass_b, everything, clean) + replacing(pass_a, sender, clean)
    if mlps == "frozen":
        for name, value in record(bridge, clean.tokens, "hook_mlp_out", off).items():
            hooks.append((name, lambda _, hook, value=value: value))
    if receivers == "logits":
        return logit_difference(run(bridge, clean.tokens, hooks), clean)
    read = record(bridge, clean.tokens, ("attn.hook_q", "attn.hook_k", "attn.hook_v"), hooks)

    patches = list(off)
    for part, layer, head, position in receivers:

        def patch(value, hook, head=head, position=position):
            where = cells(position, clean, value.shape[1])
            value = value.clone()
            value[:, :, head][where] = read[hook.name][:, :, head][where]
            return value

        patches.append((f"blocks.{layer}.attn.hook_{part}", patch))
    return logit_difference(run(bridge, clean.tokens, patches), clean)
