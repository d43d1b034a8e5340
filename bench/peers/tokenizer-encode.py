"""Encoding speed of sentencepiece or Hugging Face tokenizers on one thread; one line of JSON.

    python tokenizer-encode.py sentencepiece|tokenizers --tokenizer FILE --input TEXTS --repetitions 3

TEXTS has one text a line. Of single calls and one call for all texts the faster way counts, the best of the repetitions.
"""
import argparse
import json
import os
import time

parser = argparse.ArgumentParser()
parser.add_argument("library", choices=["sentencepiece", "tokenizers"])
parser.add_argument("--tokenizer", required=True)
parser.add_argument("--input", required=True)
parser.add_argument("--repetitions", type=int, default=3)
given = parser.parse_args()
os.environ["RAYON_NUM_THREADS"] = "1"

with open(given.input, encoding="utf8", newline="\n") as file:
    lines = file.read().rstrip("\n").split("\n")
size = sum(len(line.encode()) for line in lines)

if given.library == "sentencepiece":
    import sentencepiece

    model = sentencepiece.SentencePieceProcessor(model_file=given.tokenizer)
    ways = [
        lambda: sum(len(model.encode(line)) for line in lines),
        lambda: sum(map(len, model.encode(lines, num_threads=1))),
    ]
else:
    import tokenizers

    model = tokenizers.Tokenizer.from_file(given.tokenizer)
    ways = [
        lambda: sum(len(model.encode(line, add_special_tokens=False).ids) for line in lines),
        lambda: sum(len(each.ids) for each in model.encode_batch(lines, add_special_tokens=False)),
    ]

best, tokens = float("inf"), 0
for _ in range(given.repetitions):
    for way in ways:
        started = time.perf_counter()
        tokens = way()
        best = min(best, time.perf_counter() - started)
print(json.dumps({"peer": given.library, "megabytesPerSecond": size / 1e6 / best, "tokens": tokens}))
