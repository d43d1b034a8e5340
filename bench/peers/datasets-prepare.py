"""Alpaca records to packed rows with `datasets` and `tokenizers`, as their guides do it; one line of JSON.
Greedy packing in order, prompt masked, records longer than a row left out.

    python datasets-prepare.py --input RECORDS.jsonl --tokenizer tokenizer.json --row-length 2048 --workers 1 --output FOLDER
"""

import argparse
import json
import os
import time

parser = argparse.ArgumentParser()
for name in ["input", "tokenizer", "output"]:
    parser.add_argument(f"--{name}", required=True)
parser.add_argument("--row-length", type=int, default=2048)
parser.add_argument("--workers", type=int, default=1)
given = parser.parse_args()
records, output, row_length, processes = given.input, given.output, given.row_length, given.workers
os.environ["TOKENIZERS_PARALLELISM"] = "true" if processes == 1 else "false"

import datasets
from tokenizers import Tokenizer

datasets.disable_progress_bars()
datasets.disable_caching()
tokenizer = Tokenizer.from_file(given.tokenizer)
end = tokenizer.token_to_id("<|endoftext|>")
pad = end


def encode(batch):
    prompts = [
        "Human: " + (f"{instruction}\n{extra}" if extra else instruction) + "\n\nAssistant: "
        for instruction, extra in zip(batch["instruction"], batch["input"])
    ]
    questions = tokenizer.encode_batch_fast(prompts, add_special_tokens=False)
    answers = tokenizer.encode_batch_fast(batch["output"], add_special_tokens=False)
    ids, masks = [], []
    for question, answer in zip(questions, answers):
        question, answer = question.ids, answer.ids
        ids.append(question + answer + [end])
        masks.append([0] * len(question) + [1] * (len(answer) + 1))
    return {"input_ids": ids, "loss_mask": masks}


def pack(batch):
    rows, masks = [], []
    row, mask = [], []
    for ids, bits in zip(batch["input_ids"], batch["loss_mask"]):
        if len(ids) > row_length:
            continue
        if len(row) + len(ids) > row_length:
            rows.append(row + [pad] * (row_length - len(row)))
            masks.append(mask + [0] * (row_length - len(mask)))
            row, mask = [], []
        row = row + ids
        mask = mask + bits
    if row:
        rows.append(row + [pad] * (row_length - len(row)))
        masks.append(mask + [0] * (row_length - len(mask)))
    return {"input_ids": rows, "loss_mask": masks}


def main():
    started = time.perf_counter()
    data = datasets.load_dataset("json", data_files=records, split="train", cache_dir=f"{output}/cache")
    workers = processes if processes > 1 else None
    encoded = data.map(encode, batched=True, remove_columns=data.column_names, num_proc=workers)
    packed = encoded.map(pack, batched=True, batch_size=1000, remove_columns=encoded.column_names, num_proc=workers)
    packed.save_to_disk(f"{output}/rows")
    seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "rows": len(packed), "datasets": datasets.__version__}))


if __name__ == "__main__":
    main()
