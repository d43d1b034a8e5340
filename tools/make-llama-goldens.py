"""Makes the golden models of the Llama layout: tests/golden/{llama,mistral,qwen2,qwen3,qwen3moe} (form: tests/golden/README.md).

  $(node tools/reference-python.mjs) tools/make-llama-goldens.py tests/golden [NAME...]

Small random models in the published layouts. Numbers come from the plain PyTorch program below, in float32, float64 (angles
too) and bfloat16; its float32 is first compared with transformers' own classes on the same weights: logits, loss, gradients.

Experts lie under their published names in files and weights, and as one tensor under the name without their number where
gradients and updates are told. Their losses have the load-balancing term: config_router_loss.json says so, config.json not.

Shapes: B rows, T tokens, D hidden, H heads, K heads of keys and values, E head_dim, F intermediate, V vocabulary, G experts.
"""
import json
import math
import os
import re
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM

COMMON = {
    "vocab_size": 320, "hidden_size": 32, "intermediate_size": 56, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "hidden_act": "silu", "initializer_range": 0.02, "use_cache": True,
    "attention_dropout": 0.0, "bos_token_id": 1, "pad_token_id": 0, "torch_dtype": "float32",
}
CONFIGS = {
    "llama": COMMON | {
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "eos_token_id": [2, 5],
        "attention_bias": True, "mlp_bias": True, "rms_norm_eps": 1e-05, "max_position_embeddings": 256, "rope_theta": 500000.0,
        "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                         "original_max_position_embeddings": 32},
        "pretraining_tp": 1, "tie_word_embeddings": False,
    },
    "mistral": COMMON | {
        "model_type": "mistral", "architectures": ["MistralForCausalLM"], "eos_token_id": 2, "head_dim": 16,
        "rms_norm_eps": 1e-05, "max_position_embeddings": 4096, "sliding_window": 8, "rope_theta": 10000.0,
        "tie_word_embeddings": False,
    },
    "qwen2": COMMON | {
        "model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"], "eos_token_id": 2, "rms_norm_eps": 1e-06,
        "max_position_embeddings": 32768, "rope_theta": 1000000.0, "use_sliding_window": True, "sliding_window": 8,
        "max_window_layers": 1, "tie_word_embeddings": True,
    },
    "qwen3": COMMON | {
        "model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"], "eos_token_id": 2, "head_dim": 16,
        "attention_bias": False, "rms_norm_eps": 1e-06, "max_position_embeddings": 256, "rope_theta": 1000000,
        "rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64},
        "use_sliding_window": False, "sliding_window": None, "max_window_layers": 2, "tie_word_embeddings": False,
    },
    "qwen3moe": COMMON | {
        "model_type": "qwen3_moe", "architectures": ["Qwen3MoeForCausalLM"], "eos_token_id": 2, "head_dim": 16,
        "num_hidden_layers": 3, "attention_bias": False, "rms_norm_eps": 1e-06, "max_position_embeddings": 256,
        "rope_theta": 1000000, "rope_scaling": None, "use_sliding_window": False, "sliding_window": None, "max_window_layers": 3,
        "tie_word_embeddings": False, "num_experts": 6, "num_experts_per_tok": 3, "moe_intermediate_size": 20,
        "norm_topk_prob": True, "decoder_sparse_step": 1, "mlp_only_layers": [1], "output_router_logits": False,
        "router_aux_loss_coef": 0.02,
    },
}
HYPER = {
    "beta1": 0.9, "beta2": 0.95, "eps": 1e-08, "weight_decay": 0.1, "lr": 3e-05, "lr_end": 0.0, "warmup_steps": 2,
    "total_steps": 20, "max_grad_norm": 1.0, "schedule": "hf_cosine", "adamw": "torch",
    "no_decay_if_name_contains": ["norm", "bias"],
}
FULL_GRADIENTS = ["model.embed_tokens.weight", "model.layers.0.self_attn.k_proj.weight", "model.layers.1.input_layernorm.weight"]
EXPERT_GRADIENTS = [f"model.layers.{layer}.mlp.{part}.weight"
                    for layer in (0, 2) for part in ("gate", "experts.gate_proj", "experts.up_proj", "experts.down_proj")]
ROUTER_LOSS_CONFIG = "config_router_loss.json"
EXPERT = re.compile(r"(.*\.experts)\.(\d+)\.(.*)")


def sizes(config):
    heads = config["num_attention_heads"]
    return heads, config["num_key_value_heads"], config.get("head_dim", config["hidden_size"] // heads)


def windows(config):
    layers, kind = config["num_hidden_layers"], config["model_type"]
    if kind == "mistral":
        return [config["sliding_window"]] * layers
    if config.get("use_sliding_window"):
        return [config["sliding_window"] if layer >= config["max_window_layers"] else None for layer in range(layers)]
    return [None] * layers


def angles(config, length, dtype):
    """cos and sin [T, E], angles in dtype."""
    E, base = sizes(config)[2], config["rope_theta"]
    j = torch.arange(0, E // 2, dtype=dtype)
    f = base ** (-2 * j / E)
    g, a = f, 1.0
    rope = config.get("rope_scaling") or {}
    if rope.get("rope_type") == "llama3":
        low, high = rope["low_freq_factor"], rope["high_freq_factor"]
        original, factor = rope["original_max_position_embeddings"], rope["factor"]
        wave = 2 * math.pi / f
        s = (original / wave - low) / (high - low)
        g = torch.where(wave > original / low, f / factor, (1 - s) * f / factor + s * f)
        g = torch.where(wave < original / high, f, g)
    if rope.get("rope_type") == "yarn":
        original, factor = rope["original_max_position_embeddings"], rope["factor"]
        turn = lambda r: E * math.log(original / (2 * math.pi * r)) / (2 * math.log(base))
        low, high = max(math.floor(turn(32)), 0), min(math.ceil(turn(1)), E - 1)
        ramp = ((j - low) / (high - low)).clamp(0, 1)
        g, a = (f / factor) * ramp + f * (1 - ramp), 0.1 * math.log(factor) + 1
    table = torch.arange(length, dtype=dtype)[:, None] * g
    table = torch.cat([table, table], -1)
    return table.cos() * a, table.sin() * a


def rms(x, weight, eps):
    wide = x if x.dtype == torch.float64 else x.float()
    return weight * (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + eps)).to(x.dtype)


def experts(config, w, at, x):
    """A mixture of experts on x [N, D], expert by expert. Returns its output, softmax [N, G], choices [N, k]."""
    p = F.linear(x, w[f"{at}gate.weight"]).softmax(-1, dtype=torch.promote_types(x.dtype, torch.float32))
    share, chosen = p.topk(config["num_experts_per_tok"], -1)
    if config["norm_topk_prob"]:
        share = share / share.sum(-1, keepdim=True)
    share = share.to(x.dtype)
    out = torch.zeros_like(x)
    for expert in range(config["num_experts"]):
        token, place = (chosen == expert).nonzero(as_tuple=True)
        gate, up, down = (w[f"{at}experts.{expert}.{part}_proj.weight"] for part in ("gate", "up", "down"))
        inner = F.silu(F.linear(x[token], gate)) * F.linear(x[token], up)
        out = out.index_add(0, token, F.linear(inner, down) * share[token, place, None])
    return out, p, chosen


def balance(config, routed):
    """Switch Transformer's loss, eq. (4) to (6), over all layers as one: G * sum of share of tokens * mean probability."""
    G = config["num_experts"]
    rows = sum(len(p) for p, _ in routed)
    chosen = sum(F.one_hot(chosen, G).sum((0, 1)).to(p.dtype) for p, chosen in routed) / rows
    return G * (chosen * sum(p.sum(0) for p, _ in routed) / rows).sum()


def forward(config, w, ids, mask=None, routed=None):
    H, K, E = sizes(config)
    B, T = ids.shape
    eps = config["rms_norm_eps"]
    dtype = w["model.embed_tokens.weight"].dtype
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    cos, sin = (t.to(dtype) for t in angles(config, T, wide))
    turn = lambda x: x * cos + torch.cat([-x[..., E // 2:], x[..., :E // 2]], -1) * sin
    i, j = torch.arange(T)[:, None], torch.arange(T)[None, :]
    x = F.embedding(ids, w["model.embed_tokens.weight"], padding_idx=config["pad_token_id"])
    for layer, window in enumerate(windows(config)):
        at = f"model.layers.{layer}."
        linear = lambda y, name: F.linear(y, w[f"{at}{name}.weight"], w.get(f"{at}{name}.bias"))
        h = rms(x, w[at + "input_layernorm.weight"], eps)
        q, k, v = (linear(h, f"self_attn.{n}_proj").view(B, T, -1, E) for n in "qkv")
        if at + "self_attn.q_norm.weight" in w:
            q = rms(q, w[at + "self_attn.q_norm.weight"], eps)
            k = rms(k, w[at + "self_attn.k_norm.weight"], eps)
        q, k, v = turn(q.transpose(1, 2)), turn(k.transpose(1, 2)), v.transpose(1, 2)
        k, v = (t.repeat_interleave(H // K, 1) for t in (k, v))
        seen = (j <= i) if window is None else (j <= i) & (j > i - window)
        seen = seen[None, None].expand(B, 1, T, T)
        if mask is not None:
            seen = (seen & mask.bool()[:, None, None, :]) | (i == j)
        scores = (q @ k.transpose(-1, -2)) * E ** -0.5
        p = scores.masked_fill(~seen, -math.inf).softmax(-1, dtype=wide).to(dtype)
        x = x + linear((p @ v).transpose(1, 2).reshape(B, T, H * E), "self_attn.o_proj")
        h = rms(x, w[at + "post_attention_layernorm.weight"], eps)
        if at + "mlp.gate.weight" in w:
            y, p, chosen = experts(config, w, at + "mlp.", h.flatten(0, 1))
            x = x + y.view_as(x)
            if routed is not None:
                routed.append((p, chosen))
            continue
        x = x + linear(F.silu(linear(h, "mlp.gate_proj")) * linear(h, "mlp.up_proj"), "mlp.down_proj")
    x = rms(x, w["model.norm.weight"], eps)
    return F.linear(x, w.get("lm_head.weight", w["model.embed_tokens.weight"]))


def published(state):
    """transformers keeps all experts of a layer in two tensors: the spelling of files, one expert at a time."""
    named = {}
    for name, value in state.items():
        if name.endswith("experts.gate_up_proj"):
            for expert, both in enumerate(value):
                for part, rows in zip(("gate", "up"), both.chunk(2)):
                    named[name.replace("gate_up_proj", f"{expert}.{part}_proj.weight")] = rows
        elif name.endswith("experts.down_proj"):
            for expert, rows in enumerate(value):
                named[name.replace("down_proj", f"{expert}.down_proj.weight")] = rows
        else:
            named[name] = value
    return named


def in_memory(weights):
    """The way back, for load_state_dict."""
    stacked = whole(weights)
    for name in [name for name in stacked if name.endswith("experts.gate_proj.weight")]:
        at = name.removesuffix("gate_proj.weight")
        stacked[at + "gate_up_proj"] = torch.cat([stacked.pop(name), stacked.pop(at + "up_proj.weight")], 1)
        stacked[at + "down_proj"] = stacked.pop(at + "down_proj.weight")
    return stacked


def whole(named):
    """All experts as one tensor [G, ...] under the name without their number."""
    result, pieces = {}, {}
    for name, value in named.items():
        found = EXPERT.fullmatch(name)
        if found is None:
            result[name] = value
        else:
            pieces.setdefault(f"{found[1]}.{found[3]}", {})[int(found[2])] = value
    return result | {name: torch.stack([of[expert] for expert in range(len(of))]) for name, of in pieces.items()}


def make_weights(config, model):
    tied = config["tie_word_embeddings"]
    weights = {}
    for name, parameter in published(model.state_dict()).items():
        if name == "lm_head.weight" and tied:
            continue
        shape = parameter.shape
        if "norm" in name:
            value = 1 + 0.2 * torch.randn(shape)
        elif name.endswith(".bias"):
            value = 0.3 * torch.randn(shape)
        elif name == "lm_head.weight" or (tied and name == "model.embed_tokens.weight"):
            value = 2.8 / math.sqrt(shape[1]) * torch.randn(shape)
        elif name == "model.embed_tokens.weight":
            value = torch.randn(shape)
        else:
            value = 1.5 / math.sqrt(shape[1]) * torch.randn(shape)
        weights[name] = value
    return weights


def cast(weights, dtype):
    return {name: value.to(dtype) for name, value in weights.items()}


def cases_of(config, weights, theirs):
    V, pad = config["vocab_size"], config["pad_token_id"]
    padded = torch.randint(6, V, (2, 9))
    mask = torch.ones(2, 9, dtype=torch.int64)
    padded[0, :4], mask[0, :4] = pad, 0
    inputs = [("short", torch.randint(6, V, (2, 11)), None, None), ("left_padded", padded, mask, None),
              ("long", torch.randint(6, V, (1, 90)), None, 6)]
    tensors, cases = {}, []
    for name, ids, mask, last in inputs:
        cut = (lambda t: t) if last is None else (lambda t: t[:, -last:])
        logits = {dtype: cut(forward(config, cast(weights, dtype), ids, mask)).contiguous()
                  for dtype in (torch.float32, torch.float64, torch.bfloat16)}
        reference = cut(theirs(input_ids=ids, attention_mask=mask).logits)
        real = torch.ones(ids.shape) if mask is None else mask
        real = cut(real)[..., None].double()
        apart = lambda a, b: ((a.double() - b.double()) * real).abs().max().item()
        own = apart(logits[torch.float32], reference)
        assert own < 1e-4, (name, own)
        tensors[f"{name}.input_ids"] = ids.int()
        if mask is not None:
            tensors[f"{name}.attention_mask"] = mask.int()
        tensors[f"{name}.logits64"] = logits[torch.float64]
        cases.append({
            "name": name, "shape": list(ids.shape), "positions": "all" if last is None else f"last {last}",
            "fp32_max_abs_err": apart(reference, logits[torch.float64]),
            "bf16_max_abs_err": apart(logits[torch.bfloat16], logits[torch.float64]),
            "own_fp32_max_abs_diff": own, "logits_std": logits[torch.float64].std().item(),
        })
    return tensors, cases


def greedy(config, weights, prompts, mask=None, penalty=None, count=24):
    w = cast(weights, torch.float64)
    ids = torch.tensor(prompts)
    seen = torch.tensor(mask) if mask is not None else torch.ones_like(ids)
    margin = math.inf
    for _ in range(count):
        scores = forward(config, w, ids, seen)[:, -1]
        if penalty is not None:
            for row, score in enumerate(scores):
                used = ids[row].unique()
                score[used] = torch.where(score[used] < 0, score[used] * penalty, score[used] / penalty)
        top = scores.topk(2)
        margin = min(margin, (top.values[:, 0] - top.values[:, 1]).min().item())
        ids = torch.cat([ids, top.indices[:, :1]], 1)
        seen = torch.cat([seen, torch.ones(len(ids), 1, dtype=torch.int64)], 1)
    result = {"prompt_ids": prompts, "new_ids": ids[:, -count:].tolist(), "least_top1_top2_margin": margin}
    if mask is not None:
        result["attention_mask"] = mask
    if penalty is not None:
        result["repetition_penalty"] = ["ctrl", penalty]
    return result


def generations(config, weights):
    V, pad = config["vocab_size"], config["pad_token_id"]
    some = lambda count: torch.randint(6, V, (count,)).tolist()
    made = {}
    # A prompt whose choices are not a matter of rounding.
    def clear(name, make):
        for _ in range(40):
            found = make()
            if found["least_top1_top2_margin"] > 0.005:
                made[name] = found
                return
        raise ValueError(f"{name}: no clear prompt")
    clear("greedy", lambda: greedy(config, weights, [some(20)]))
    clear("greedy_left_padded", lambda: greedy(
        config, weights, [[pad] * 5 + some(4), some(9)], [[0] * 5 + [1] * 4, [1] * 9]))
    clear("greedy_ctrl_penalty", lambda: greedy(config, weights, [some(12)], penalty=1.3))
    return made


def loss_of(config, w, ids, mask):
    routed = []
    logits = forward(config, w, ids, routed=routed)[:, :-1]
    targets, learned = ids[:, 1:], mask[:, 1:].to(logits.dtype)
    each = F.cross_entropy(logits.reshape(-1, logits.shape[-1]), targets.reshape(-1), reduction="none").view(targets.shape)
    loss = (each * learned).sum() / learned.sum()
    return loss + config["router_aux_loss_coef"] * balance(config, routed) if routed else loss


def gradient(value):
    """Zero of an expert that no token reached."""
    return torch.zeros_like(value) if value.grad is None else value.grad


def learning_rate(step, factor):
    warmup, total = HYPER["warmup_steps"], HYPER["total_steps"]
    if step < warmup:
        return HYPER["lr"] * factor * step / warmup
    return HYPER["lr"] * factor * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup))) / 2


def run(config, weights, batches, masks, factor, dtype):
    w = {name: value.to(dtype).clone().requires_grad_() for name, value in weights.items()}
    spared = lambda name: any(part in name for part in HYPER["no_decay_if_name_contains"])
    optimizer = torch.optim.AdamW(
        [{"params": [v for n, v in w.items() if not spared(n)], "weight_decay": HYPER["weight_decay"]},
         {"params": [v for n, v in w.items() if spared(n)], "weight_decay": 0.0}],
        lr=1.0, betas=(HYPER["beta1"], HYPER["beta2"]), eps=HYPER["eps"])
    steps = []
    for step in range(10):
        rate = learning_rate(step, factor)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad()
        loss = loss_of(config, w, batches[step], masks[step])
        loss.backward()
        for value in w.values():
            value.grad = gradient(value)  # an expert without tokens decays all the same, as a part of one tensor
        norm = torch.nn.utils.clip_grad_norm_(w.values(), HYPER["max_grad_norm"])
        optimizer.step()
        steps.append({"step": step, "lr": rate, "loss": loss.item(), "grad_norm": norm.item()})
    return steps, {name: value.detach() for name, value in w.items()}


def training(config, weights, theirs):
    V = config["vocab_size"]
    # Padding and the end token are among the ids: the row of padding gets no gradient from texts.
    batches = torch.randint(0, V, (10, 2, 17))
    batches[:, 0, 5] = config["pad_token_id"]
    masks = (torch.rand(10, 2, 17) < 0.7).long()
    masks[:, :, 8] = 1
    tensors = {"full.input_ids": batches.int(), "full.loss_mask": masks.int()}
    grads = {}
    losses = {}
    for dtype in (torch.float32, torch.float64):
        w = {name: value.to(dtype).clone().requires_grad_() for name, value in weights.items()}
        loss = loss_of(config, w, batches[0], masks[0])
        loss.backward()
        losses[dtype], grads[dtype] = loss.item(), whole({name: gradient(value) for name, value in w.items()})
    # transformers' own loss and gradients.
    theirs.zero_grad()
    has_experts = "num_experts" in config
    found = theirs(input_ids=batches[0], **({"output_router_logits": True} if has_experts else {}))
    logits = found.logits[:, :-1]
    learned = masks[0][:, 1:].float()
    each = F.cross_entropy(logits.reshape(-1, V), batches[0][:, 1:].reshape(-1), reduction="none").view(learned.shape)
    loss = (each * learned).sum() / learned.sum()
    if has_experts:
        loss = loss + theirs.router_aux_loss_coef * found.aux_loss
    loss.backward()
    assert abs(loss.item() - losses[torch.float32]) < 1e-5, (loss.item(), losses)
    for name, value in whole(published({name: value.grad for name, value in theirs.named_parameters()})).items():
        wanted = grads[torch.float64][name]
        assert (value.double() - wanted).abs().max() <= 1e-4 * wanted.abs().max() + 1e-6, name
    names = list(whole(weights))
    full_gradients = FULL_GRADIENTS + [name for name in EXPERT_GRADIENTS if name in names]
    result = {
        "hyper": HYPER, "loss_masked": losses[torch.float32], "loss_masked_fp64": losses[torch.float64],
        "grad_norms": {n: {"fp32": grads[torch.float32][n].norm().item(), "fp64": grads[torch.float64][n].norm().item()}
                       for n in names},
        "full_gradients": full_gradients,
    }
    if has_experts:
        result = {"config": ROUTER_LOSS_CONFIG} | result
    for name in full_gradients:
        tensors[f"full.grad64.{name}"] = grads[torch.float64][name]
    for key, factor in (("published_lr", 1), ("lr_x30", 30)):
        steps, end = run(config, weights, batches, masks, factor, torch.float32)
        steps64, end64 = run(config, weights, batches, masks, factor, torch.float64)
        flat = end
        end, end64, start = whole(end), whole(end64), whole(weights)
        result[key] = {"steps": steps, "steps_fp64": steps64, "final_checksums": {
            n: {"sum": end[n].double().sum().item(), "abs_sum": end[n].double().abs().sum().item(),
                "sum_fp64_run": end64[n].sum().item(),
                "moved_l2": (end64[n] - start[n].double()).norm().item()} for n in names}}
        if key == "lr_x30":
            with torch.no_grad():
                tensors["full.lr_x30.final_logits"] = forward(config, flat, batches[0]).contiguous()
    return tensors, {"full": result}


def make(name, folder):
    config = CONFIGS[name]
    torch.manual_seed(sum(map(ord, name)))
    folder.mkdir(parents=True, exist_ok=True)
    write = lambda file, value, **how: (folder / file).write_text(json.dumps(value, **how) + "\n")
    write("config.json", config, indent=1)
    if "num_experts" in config:
        write(ROUTER_LOSS_CONFIG, config | {"output_router_logits": True}, indent=1)
    theirs = reference_model(folder)
    weights = make_weights(config, theirs)
    theirs.load_state_dict(in_memory(weights), strict=False)
    theirs.tie_weights()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with torch.no_grad():
        tensors, cases = cases_of(config, weights, theirs)
        generation = generations(config, weights)
    save_file(tensors, folder / "expected.safetensors")
    write("expected.json", {"cases": cases, "generation": generation})
    tensors, values = training(config, weights, theirs)
    save_file(tensors, folder / "train.safetensors")
    for file in folder.iterdir():
        os.chmod(file, 0o644)
    write("train.json", values)
    print(name, [(case["name"], case["fp32_max_abs_err"], case["bf16_max_abs_err"], case["logits_std"]) for case in cases])


def reference_model(folder):
    config = AutoConfig.from_pretrained(folder)
    config._attn_implementation = "eager"
    return AutoModelForCausalLM.from_config(config).float().eval()


if __name__ == "__main__":
    for family in sys.argv[2:] or CONFIGS:
        make(family, Path(sys.argv[1]) / family)
