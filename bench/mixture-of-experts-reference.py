"""The layer of mixture-of-experts.mjs in PyTorch, expert by expert as transformers' eager code has it. [experts] [tokens]"""
import os
import sys
import time

import torch
import torch.nn.functional as F

G, N = int(sys.argv[1]) if len(sys.argv) > 1 else 32, int(sys.argv[2]) if len(sys.argv) > 2 else 512
D, FF, K = 2048, 768, 8


def layer(x, router, gate_up, down):
    share, chosen = F.linear(x, router).softmax(-1, dtype=torch.float32).topk(K, -1)
    share = (share / share.sum(-1, keepdim=True)).to(x.dtype)
    out = torch.zeros_like(x)
    hit = F.one_hot(chosen, G).permute(2, 1, 0)
    for expert in (hit.sum((-1, -2)) > 0).nonzero()[:, 0]:
        place, token = torch.where(hit[expert])
        gate, up = F.linear(x[token], gate_up[expert]).chunk(2, -1)
        y = F.linear(F.silu(gate) * up, down[expert]) * share[token, place, None]
        out = out.index_add(0, token, y)
    return out


def measure(body, times):
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        body()
        seconds.append(time.perf_counter() - start)
    seconds.sort()
    return f"least {1000 * seconds[0]:.1f} ms, median {1000 * seconds[times // 2]:.1f} ms"


print(f"load {os.getloadavg()[0]:.1f}, {torch.get_num_threads()} threads, {G} experts, {N} tokens")
for dtype in (torch.float32, torch.bfloat16):
    torch.manual_seed(1)
    weights = [0.02 * torch.randn(shape) for shape in ((G, D), (G, 2 * FF, D), (G, D, FF))]
    weights = [w.to(dtype).requires_grad_() for w in weights]
    x = torch.randn(N, D).to(dtype).requires_grad_()
    print(dtype, "forward and backward:", measure(lambda: torch.autograd.grad(layer(x, *weights).sum(), [x, *weights]), 7))
    token = iter(range(10**6))
    with torch.no_grad():
        print(dtype, "one token:", measure(lambda: layer(x[next(token) % N][None], *weights), 60))
