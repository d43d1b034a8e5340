"""Training a vocabulary with sentencepiece (BPE, unigram) or Hugging Face tokenizers (byte-level BPE); one line of JSON.

    python tokenizer-train.py --type sentencepiece-bpe|sentencepiece-unigram|byte-level-bpe --input TEXTS --output FILE
        --vocab-size 32000 --threads 2 [--pattern REGEX]

Reading the file and writing the result are in the time, imports are not. PATTERN cuts texts into words for byte-level BPE.
"""
import argparse
import json
import os
import time

parser = argparse.ArgumentParser()
parser.add_argument("--type", choices=["sentencepiece-bpe", "sentencepiece-unigram", "byte-level-bpe"], required=True)
parser.add_argument("--input", required=True)
parser.add_argument("--output", required=True)
parser.add_argument("--vocab-size", type=int, default=32000)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--pattern", default="")
given = parser.parse_args()
os.environ["RAYON_NUM_THREADS"] = str(given.threads)


def train_byte_level() -> None:
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(given.pattern), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=given.vocab_size, min_frequency=2, show_progress=False, initial_alphabet=alphabet
    )
    tokenizer.train([given.input], trainer)
    tokenizer.save(given.output)


def train_sentencepiece() -> None:
    import sentencepiece

    sentencepiece.SentencePieceTrainer.train(
        input=given.input, model_prefix=given.output.removesuffix(".model"), vocab_size=given.vocab_size,
        model_type=given.type.removeprefix("sentencepiece-"), num_threads=given.threads, minloglevel=2,
    )


if given.type == "byte-level-bpe":
    import tokenizers  # noqa: F401

    train = train_byte_level
else:
    import sentencepiece

    train = train_sentencepiece
started = time.perf_counter()
train()
seconds = time.perf_counter() - started

with open(given.input, encoding="utf8", newline="\n") as file:
    lines = file.read().rstrip("\n").split("\n")
if given.type == "byte-level-bpe":
    counts = (len(each.ids) for each in tokenizers.Tokenizer.from_file(given.output).encode_batch(lines))
else:
    counts = map(len, sentencepiece.SentencePieceProcessor(model_file=given.output).encode(lines))
size = sum(len(line.encode()) for line in lines)
print(json.dumps({"peer": given.type, "trainSeconds": seconds, "bytesPerToken": size / sum(counts)}))
