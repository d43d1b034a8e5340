"""One training step of a Llama in PyTorch + transformers (and peft with --lora); one line of JSON.

    python pytorch-train.py --layers 8 --hidden 512 --ffn 1376 --heads 8 --kv-heads 8 --vocab 8000 --batch 8 --length 256
        --steps 8 --threads 2 --dtype float32|bfloat16|autocast [--lora RANK] [--recompute] [--compile]

The time is that of the best step, the first two apart; a step is forward, backward, clipping and a fused AdamW.
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
parser.add_argument("--compile", action="store_true")
given = parser.parse_args()

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
total = sum(parameter.numel() for parameter in model.parameters())
counted = total - model.model.embed_tokens.weight.numel()
if given.lora > 0:
    from peft import LoraConfig, get_peft_model

    projections = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    model = get_peft_model(model, LoraConfig(r=given.lora, lora_alpha=2 * given.lora, target_modules=projections))
    if given.recompute:
        model.enable_input_require_grads()
model.train()
parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
run = torch.compile(model) if given.compile else model
optimiser = torch.optim.AdamW(parameters, lr=3e-4, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.0, fused=True)
# As many predictions as on the other side: a row has one id more.
ids = torch.randint(0, given.vocab, (given.batch, given.length + 1))
inputs, targets = ids[:, :-1].contiguous(), ids[:, 1:].contiguous()


def step() -> float:
    with torch.autocast("cpu", torch.bfloat16, enabled=given.dtype == "autocast"):
        logits = run(input_ids=inputs).logits
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
flops = 6 * counted + 12 * given.layers * given.hidden * given.length
speed = given.batch * given.length / best
print(json.dumps({
    "peer": "torch", "torch": torch.__version__, "dtype": given.dtype, "compile": given.compile, "recompute": given.recompute,
    "lora": given.lora, "parameters": total,
    "batch": given.batch, "length": given.length, "secondsPerStep": best, "tokensPerSecond": speed, "flopsPerToken": flops,
    "gflopsPerSecond": speed * flops / 1e9, "losses": losses,
}))
