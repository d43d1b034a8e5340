/** Quantised folders as GPTQModel, AutoAWQ and AutoGPTQ write them: every weight to the bit, logits, and what becomes of them elsewhere. */
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { openModelCheckpoint } from '../src/checkpoint/index.js';
import { readView } from '../src/formats/index.js';
import { loadModel } from '../src/models/index.js';
import { noGrad, scope } from '../src/tensor/index.js';
import { maxAbsDifference, safetensorsOf } from './support/golden.js';
import { type QuantisedGolden, quantisedGoldens } from './support/quantised-goldens.js';

const hashOf = (pieces: Iterable<Uint8Array>): string => {
  const hash = createHash('sha256');
  for (const piece of pieces) hash.update(piece);
  return hash.digest('hex');
};

describe.each(quantisedGoldens.map((golden) => [golden.name, golden] as const))(
  '%s',
  (_, golden: QuantisedGolden) => {
    test('every weight is that of the program that wrote it, to the bit', () => {
      const [tensors] = openModelCheckpoint(golden.folder).ranks;
      const found = Object.keys(golden.hashes).map((layer) => {
        const view = tensors?.get(`${layer}.weight`);
        return [layer, view === undefined ? 'missing' : hashOf(readView(view))];
      });
      expect(Object.fromEntries(found)).toEqual(golden.hashes);
    });

    test('logits', () => {
      const expected = safetensorsOf(`${golden.folder}/expected.safetensors`);
      scope(() => {
        const { model } = loadModel(golden.folder);
        const logits = noGrad(() => model.forward(expected('input_ids').to('int64')));
        expect(logits.dtype).toBe('float32');
        expect(maxAbsDifference(logits, expected('logits'))).toBeLessThan(8 * golden.float32Error);
      });
    });
  },
);
