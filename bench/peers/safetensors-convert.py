"""A checkpoint loaded and saved as Python programs do it, whole and unchecked; one line of JSON.

    python safetensors-convert.py --from FILE.safetensors --to PATH --conversion safetensors|bfloat16|float32|bin|ranks

`ranks`: four model-parallel ranks of torch files, cut by rows, the outputs of attention and MLP by columns.
"""
import argparse
import json
import os

import torch
from safetensors.torch import load_file, save_file

parser = argparse.ArgumentParser()
parser.add_argument("--from", dest="source", required=True)
parser.add_argument("--to", required=True)
parser.add_argument("--conversion", choices=["safetensors", "bfloat16", "float32", "bin", "ranks"], required=True)
given = parser.parse_args()
RANKS = 4


def part(name: str, tensor: torch.Tensor, rank: int) -> torch.Tensor:
    if tensor.dim() < 2:
        return tensor
    by_columns = "o_proj" in name or "down_proj" in name
    return tensor.chunk(RANKS, 1 if by_columns else 0)[rank].contiguous()


tensors = load_file(given.source)
if given.conversion in ("bfloat16", "float32"):
    dtype = getattr(torch, given.conversion)
    tensors = {name: tensor.to(dtype) for name, tensor in tensors.items()}
if given.conversion == "bin":
    torch.save(tensors, given.to)
elif given.conversion == "ranks":
    for rank in range(RANKS):
        folder = os.path.join(given.to, f"rank_{rank}")
        os.makedirs(folder)
        torch.save({name: part(name, tensor, rank) for name, tensor in tensors.items()}, f"{folder}/checkpoint_{rank}.pt")
else:
    save_file(tensors, given.to, metadata={"format": "pt"})
print(json.dumps({"peer": "safetensors", "torch": torch.__version__, "tensors": len(tensors)}))
