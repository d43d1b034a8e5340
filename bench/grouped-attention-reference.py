"""The training half of grouped-attention.mjs in PyTorch: best milliseconds of forward + backward, as JSON."""
import json
import sys
import time

import torch
from torch.nn.functional import scaled_dot_product_attention

call = json.loads(sys.argv[1])
torch.set_num_threads(call["threads"])
dtype = getattr(torch, call["dtype"])
batch, tokens, headDim, heads, kvHeads = (call[name] for name in ("batch", "tokens", "headDim", "heads", "kvHeads"))


def random(count):
    return torch.randn(batch, tokens, count, headDim, dtype=dtype).transpose(1, 2)


upstream = random(heads)
inputs = [random(heads), random(kvHeads), random(kvHeads)]
for x in inputs:
    x.requires_grad_(True)


def grouped(q, k, v):
    return scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)


def repeated(q, k, v):
    group = heads // kvHeads
    return scaled_dot_product_attention(
        q, k.repeat_interleave(group, 1), v.repeat_interleave(group, 1), is_causal=True
    )


def best(compute):
    times = []
    end = time.perf_counter() + call["seconds"]
    while True:
        start = time.perf_counter()
        torch.autograd.grad(compute(*inputs), inputs, upstream)
        times.append(time.perf_counter() - start)
        if time.perf_counter() > end and len(times) > 1:
            return 1000 * min(times[1:])


print(json.dumps({"gqa": best(grouped), "repeated": best(repeated)}))
