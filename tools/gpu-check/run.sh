#!/bin/sh
# Proves Xinghe on this machine's GPU: compiles it against the torch of python3, compares it with its golden numbers on
# the device, and measures training and decoding beside PyTorch. Prints Markdown. 8 minutes at the most.
#
#   sh run.sh [--device cuda|cpu] [--output FILE.md] [--seconds 480] [--only goldens,training,decode]
#
# Needs python3 (or $PYTHON) with torch 2.11 to 2.13, g++ 11 or newer, and nothing of the network. Exit code 0: every golden
# number was met; 1: one was not, or the program did not compile; 2: bad usage, or something is missing.
cd "$(dirname "$0")" || exit 2
PYTHON=${PYTHON:-python3}
LIBTORCH=$("$PYTHON" -c 'import importlib.util, os; print(os.path.dirname(importlib.util.find_spec("torch").origin))') || {
  echo "gpu-check: $PYTHON has no torch; set PYTHON to one that has it" >&2
  exit 2
}
export PYTHON LIBTORCH
exec ./node/bin/node gpu-check/run.mjs "$@"
