"""One training step of a Llama with grouped heads in PyTorch + transformers, for bench/training-step.mjs --kv-heads N --against PYTHON.

Prints one line of JSON. The time is that of the best step, the first two apart; a step is forward, backward, clipping and a fused AdamW.
"""
import argparse
import json
import time

import torch
from transformers import LlamaConfig, LlamaForCausalLM

parser = argparse.ArgumentParser()
SIZES = {
    "layers": 8, "hidden": 512, "ffn": 1376, "heads": 8, "kv-heads": 8, "vocab": 8000,
    "batch": 8, "length": 256, "steps": 8, "threads": 2, "lora": 0,
}
for name, default in SIZES.items():
    parser.add_argument(f"--{name}", type=int, default=default)
parser.add_argument("--dtype", choices=["float32", "bfloat16", "autocast"], default="float32")
parser.add_argument("--recompute", action="store_true")
given = parser.parse_args()
if given.lora > 0:
    parser.error("--lora is not measured here")

torch.set_num_threads(given.threads)
torch.manual_seed(0)
model = LlamaForCausalLM(
    LlamaConfig(
        vocab_size=given.vocab, hidden_size=given.hidden, intermediate_size=given.ffn, num_hidden_layers=given.layers,
        num_attention_heads=given.heads, num_key_value_heads=given.kv_heads, max_position_embeddings=max(8192, given.length),
        rms_norm_eps=1e-6, use_cache=False, attn_implementation="sdpa",
    )
)
if given.dtype == "bfloat16":
    model = model.to(torch.bfloat16)
if given.recompute:
    model.gradient_checkpointing_enable()
model.train()
parameters = list(model.parameters())
optimiser = torch.optim.AdamW(parameters, lr=3e-4, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.0, fused=True)
# As many predictions as on the other side: a row has one id more.
ids = torch.randint(0, given.vocab, (given.batch, given.length + 1))
inputs, targets = ids[:, :-1].contiguous(), ids[:, 1:].contiguous()


def step() -> float:
    with torch.autocast("cpu", torch.bfloat16, enabled=given.dtype == "autocast"):
        logits = model(input_ids=inputs).logits
    loss = torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), targets.flatten())
    loss.backward()
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    return loss.item()


best, losses = float("inf"), []
for index in range(given.steps):
    started = time.perf_counter()
    losses.append(round(step(), 4))
    if index >= 2:
        best = min(best, time.perf_counter() - started)
total = sum(parameter.numel() for parameter in parameters)
flops = 6 * (total - model.model.embed_tokens.weight.numel()) + 12 * given.layers * given.hidden * given.length
speed = given.batch * given.length / best
print(json.dumps({
    "peer": "torch", "torch": torch.__version__, "dtype": given.dtype, "recompute": given.recompute, "parameters": total,
    "batch": given.batch, "length": given.length, "secondsPerStep": best, "tokensPerSecond": speed, "flopsPerToken": flops,
    "gflopsPerSecond": speed * flops / 1e9, "losses": losses,
}))
