"""PyTorch's side of a measurement, in plain modules: reference.py training|decode --device cuda|cpu [--small] [--compile].

A line of JSON for each figure. Attention is scaled_dot_product_attention (flash attention on CUDA); a step of training is forward,
backward, clipping and a fused AdamW; decoding has a static cache. int4 is libtorch's own product for CUDA, as gpt-fast takes it.
"""
import argparse
import json
import pathlib
import time

import torch
import torch.nn.functional as F
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("what", choices=["training", "decode"])
parser.add_argument("--device", default="cuda")
parser.add_argument("--small", action="store_true")
parser.add_argument("--compile", action="store_true")
given = parser.parse_args()
shapes = json.loads(pathlib.Path(__file__).with_name("shapes.json").read_text())
shape = shapes["small" if given.small else "full"]
device = torch.device(given.device)
hidden, ffn, heads = shape["hidden"], shape["ffn"], shape["heads"]
head_dim = hidden // heads
torch.manual_seed(0)


def synchronise() -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


class Norm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(hidden))

    def forward(self, x):
        return F.rms_norm(x, (hidden,), self.weight, 1e-6)


class Int4Linear(nn.Module):
    """Random integers; [outputs, inputs] with a scale and a zero point for each group of inputs."""

    def __init__(self, inputs: int, outputs: int, group: int) -> None:
        super().__init__()
        packed = torch.randint(0, 256, (outputs, inputs // 2), dtype=torch.uint8, device=device)
        self.register_buffer("weight", torch.ops.aten._convert_weight_to_int4pack(packed, 8))
        scales = torch.full((inputs // group, outputs, 2), 0.005, dtype=torch.bfloat16, device=device)
        self.register_buffer("scales", scales)
        self.group, self.outputs = group, outputs

    def forward(self, x):
        rows = torch.ops.aten._weight_int4pack_mm(x.reshape(-1, x.shape[-1]), self.weight, self.group, self.scales)
        return rows.reshape(*x.shape[:-1], self.outputs)


def rotate(x, cos, sin):
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat((-second, first), -1) * sin


class Block(nn.Module):
    def __init__(self, linear) -> None:
        super().__init__()
        self.norm1, self.norm2 = Norm(), Norm()
        self.q, self.k, self.v, self.o = (linear(hidden, hidden) for _ in range(4))
        self.gate, self.up, self.down = linear(hidden, ffn), linear(hidden, ffn), linear(ffn, hidden)

    def forward(self, x, cos, sin, cache=None, position=None, mask=None):
        batch, tokens, _ = x.shape
        y = self.norm1(x)
        q, k, v = (m(y).view(batch, tokens, heads, head_dim).transpose(1, 2) for m in (self.q, self.k, self.v))
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        if cache is None:
            mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            cache[0].index_copy_(2, position, k)
            cache[1].index_copy_(2, position, v)
            mixed = F.scaled_dot_product_attention(q, cache[0], cache[1], attn_mask=mask)
        x = x + self.o(mixed.transpose(1, 2).reshape(batch, tokens, hidden))
        y = self.norm2(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


class Model(nn.Module):
    def __init__(self, layers: int, vocab: int, linear) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocab, hidden)
        self.layers = nn.ModuleList(Block(linear) for _ in range(layers))
        self.norm = Norm()
        self.head = nn.Linear(hidden, vocab, bias=False)
        angles = torch.outer(torch.arange(8192).double(), 10000.0 ** (-torch.arange(0, head_dim, 2).double() / head_dim))
        self.register_buffer("cos", torch.cat((angles, angles), -1).cos().to(torch.bfloat16), persistent=False)
        self.register_buffer("sin", torch.cat((angles, angles), -1).sin().to(torch.bfloat16), persistent=False)

    def forward(self, ids, caches=None, position=None, mask=None):
        x = self.embed(ids)
        if caches is None:
            cos, sin = self.cos[: ids.shape[1]], self.sin[: ids.shape[1]]
            for layer in self.layers:
                x = layer(x, cos, sin)
        else:
            cos, sin = self.cos[position], self.sin[position]
            for layer, cache in zip(self.layers, caches):
                x = layer(x, cos, sin, cache, position, mask)
        return self.head(self.norm(x))


def create(layers: int, vocab: int, linear=lambda i, o: nn.Linear(i, o, bias=False)) -> Model:
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device(device):
            return Model(layers, vocab, linear)
    finally:
        torch.set_default_dtype(default)


def facts(layers: int) -> dict:
    return {"layers": layers, "hidden": hidden, "ffn": ffn, "heads": heads}


def training(layers: int, vocab: int, tokens: int, steps: int) -> None:
    model = create(layers, vocab)
    run = torch.compile(model) if given.compile else model
    parameters = list(model.parameters())
    optimiser = torch.optim.AdamW(parameters, lr=1e-5, betas=(0.9, 0.95), weight_decay=0.0, fused=True)
    ids = torch.randint(0, vocab, (1, tokens + 1), device=device)
    inputs, targets = ids[:, :-1].contiguous(), ids[:, 1:].contiguous()
    best = float("inf")
    for step in range(steps):
        synchronise()
        started = time.perf_counter()
        loss = F.cross_entropy(run(inputs).float().flatten(0, 1), targets.flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        loss.item()
        synchronise()
        if step >= 2:
            best = min(best, time.perf_counter() - started)
    multiplied = sum(p.numel() for p in parameters) - model.embed.weight.numel()
    flops = 6 * multiplied * tokens + 6 * layers * hidden * tokens * tokens
    print(json.dumps({**facts(layers), "dtype": "bfloat16", "tokens": tokens, "secondsPerStep": best, "flopsPerStep": flops}),
          flush=True)


def read_bandwidth(size: int) -> float:
    values = torch.ones(size // 4, device=device)
    best = float("inf")
    for _ in range(5):
        synchronise()
        started = time.perf_counter()
        values.sum().item()
        best = min(best, time.perf_counter() - started)
    return size / best / 1e9


@torch.no_grad()
def seconds_per_token(model: Model, context: int, new_tokens: int) -> float:
    length = context + new_tokens + 8
    caches = [
        tuple(torch.zeros(1, heads, length, head_dim, dtype=torch.bfloat16, device=device) for _ in range(2))
        for _ in model.layers
    ]
    places = torch.arange(length, device=device)

    def step(ids, position):
        mask = (places[None, :] <= position[:, None])[None, None]
        return model(ids, caches, position, mask)[:, -1].argmax(-1, keepdim=True)

    run = torch.compile(step, mode="reduce-overhead", fullgraph=True) if given.compile else step
    ids = step(torch.randint(0, shape["vocab"], (1, context), device=device), torch.arange(context, device=device))
    best = float("inf")
    for index in range(new_tokens):
        position = torch.tensor([context + index], device=device)
        synchronise()
        started = time.perf_counter()
        ids = run(ids, position).clone()
        ids.item()
        if index >= 3:
            best = min(best, time.perf_counter() - started)
    return best


def decode(layers: int, context: int, newTokens: int, groupSize: int, readBytes: int) -> None:
    bandwidth = read_bandwidth(readBytes)
    common = {**facts(layers), "context": context, "measuredBandwidth": bandwidth}
    model = create(layers, shape["vocab"])
    floats = sum(p.numel() * 2 for name, p in model.named_parameters() if not name.startswith("embed"))
    seconds = seconds_per_token(model, context, newTokens)
    print(json.dumps({**common, "dtype": "bfloat16", "weightBytes": floats, "secondsPerToken": seconds}), flush=True)
    del model
    if device.type != "cuda":
        return  # that product of libtorch's is CUDA's
    torch.cuda.empty_cache()
    torch.compiler.reset()
    model = create(layers, shape["vocab"], lambda i, o: Int4Linear(i, o, groupSize))
    integers = sum(b.numel() * b.element_size() for name, b in model.named_buffers() if name.startswith("layers"))
    size = integers + 2 * sum(p.numel() for name, p in model.named_parameters() if not name.startswith("embed"))
    seconds = seconds_per_token(model, context, newTokens)
    print(json.dumps({**common, "dtype": "int4", "weightBytes": size, "secondsPerToken": seconds}), flush=True)


if given.what == "training":
    training(**shape["training"])
else:
    decode(**shape["decode"])
