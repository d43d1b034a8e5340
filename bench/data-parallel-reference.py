"""One of two processes of bench/data-parallel.mjs --against PYTHON: the same model and rows under PyTorch's DDP or FSDP2, over Gloo on CPU.

Prints one line of JSON. A step is forward, backward, clipping and a fused AdamW; the time is the median behind the first two.
"""
import argparse
import json
import os
import resource
import statistics
import time

import torch
import torch.distributed as dist
from transformers import LlamaConfig, LlamaForCausalLM

parser = argparse.ArgumentParser()
for name in ("layers", "hidden", "ffn", "heads", "vocab", "batch", "length", "steps"):
    parser.add_argument(f"--{name}", type=int, required=True)
parser.add_argument("--form", choices=["torch-apart", "ddp", "fsdp"], required=True)
given = parser.parse_args()

rank = int(os.environ["RANK"])
torch.set_num_threads(1)
torch.manual_seed(0)
model = LlamaForCausalLM(
    LlamaConfig(
        vocab_size=given.vocab, hidden_size=given.hidden, intermediate_size=given.ffn, num_hidden_layers=given.layers,
        num_attention_heads=given.heads, max_position_embeddings=max(8192, given.length), rms_norm_eps=1e-6, use_cache=False,
        attn_implementation="sdpa",
    )
)
model.train()
total = sum(parameter.numel() for parameter in model.parameters())
if given.form != "torch-apart":
    dist.init_process_group("gloo")
if given.form == "ddp":
    model = torch.nn.parallel.DistributedDataParallel(model)
elif given.form == "fsdp":
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh("cpu", (2,))
    for layer in model.model.layers:
        fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)
parameters = list(model.parameters())
optimiser = torch.optim.AdamW(parameters, lr=3e-4, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.0, fused=given.form != "fsdp")
rows = [
    [((rank * given.batch + row) * 7919 + index * index * 104729) % given.vocab for index in range(given.length + 1)]
    for row in range(given.batch)
]
ids = torch.tensor(rows)
inputs, targets = ids[:, :-1].contiguous(), ids[:, 1:].contiguous()

times, loss = [], 0.0
for _ in range(given.steps):
    started = time.perf_counter()
    logits = model(input_ids=inputs).logits
    value = torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), targets.flatten())
    value.backward()
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    loss = value.item()
    times.append(time.perf_counter() - started)
print(json.dumps({
    "secondsPerStep": statistics.median_high(times[2:]), "loss": loss, "parameters": total, "torch": torch.__version__,
    "peakMemoryMiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
}), flush=True)
if given.form != "torch-apart":
    dist.destroy_process_group()
