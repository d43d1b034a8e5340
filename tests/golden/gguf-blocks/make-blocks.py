"""Random blocks of each packed type of GGUF, and what llama.cpp's package gguf 0.19.0 makes of them.

    python make-blocks.py > blocks.json      (with the Python of tools/reference-python.mjs)
"""
import base64, json
import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType as Q
from gguf.quants import dequantize

# Where a block has its float16 scales: random bits there would give NaN and infinities.
SCALES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "IQ4_NL": [0], "Q2_K": [80, 82], "Q3_K": [108],
          "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "IQ4_XS": [0]}
BLOCKS = {32: 6, 256: 3}
rng = np.random.default_rng(11)
made = {}
for name, places in SCALES.items():
    weights, size = GGML_QUANT_SIZES[Q[name]]
    blocks = rng.integers(0, 256, (BLOCKS[weights], size), dtype=np.uint8)
    for index, block in enumerate(blocks):
        for place in places:
            # Subnormal, negative, zero and large ones among them.
            scale = [rng.normal() * 0.01, -rng.random() * 2 ** -20, 0.0, rng.normal() * 100][(index + place) % 4]
            block[place:place + 2] = np.array([scale], dtype="<f2").view(np.uint8)
    values = dequantize(blocks.reshape(1, -1), Q[name]).astype("<f4")
    made[name] = {"blocks": base64.b64encode(blocks.tobytes()).decode(), "weights": base64.b64encode(values.tobytes()).decode()}
print(json.dumps(made, indent=1))

# Of weights: usual ones, zeros, tiny, large, and halves between two codes.
from gguf.quants import quantize
source = np.concatenate([rng.normal(size=(8, 32)), np.zeros((1, 32)), rng.normal(size=(2, 32)) * 1e-6, rng.normal(size=(2, 32)) * 1e4,
                         np.linspace(-127, 127, 32)[None] , (np.arange(32)[None] - 16) * 0.5 + np.eye(1, 32) * 127]).astype("<f4")
with open("q8_0.json", "w") as file:
    json.dump({"source": base64.b64encode(source.tobytes()).decode(),
               "blocks": base64.b64encode(quantize(source, Q.Q8_0).tobytes()).decode()}, file, indent=1)
with open("q4_0.json", "w") as file:
    json.dump({"source": base64.b64encode(source.tobytes()).decode(),
               "blocks": base64.b64encode(quantize(source, Q.Q4_0).tobytes()).decode()}, file, indent=1)
