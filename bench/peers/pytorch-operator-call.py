"""What one operator call of PyTorch eager costs on a tensor of one element, on one thread; one line of JSON.

    python pytorch-operator-call.py --calls 20000 --repetitions 10
"""
import argparse
import json
import time

import torch

parser = argparse.ArgumentParser()
parser.add_argument("--calls", type=int, default=20000)
parser.add_argument("--repetitions", type=int, default=10)
given = parser.parse_args()
torch.set_num_threads(1)
a, b = torch.tensor([1.0]), torch.tensor([2.0])


def add(count: int) -> None:
    with torch.no_grad():
        for _ in range(count):
            a.add(b)


def graph(count: int) -> None:
    for _ in range(count):
        x = a.clone().requires_grad_(True)
        x.mul(b).add(b).mul(b).sum().backward()


def nanoseconds(body, count: int) -> float:
    started = time.perf_counter_ns()
    body(count)
    return (time.perf_counter_ns() - started) / count


graphs = -(-given.calls // 20)
add(given.calls)
graph(graphs)
print(json.dumps({
    "peer": "pytorch", "torch": torch.__version__,
    "addNanoseconds": min(nanoseconds(add, given.calls) for _ in range(given.repetitions)),
    "graphNanoseconds": min(nanoseconds(graph, graphs) for _ in range(given.repetitions)),
}))
