/**
 * Beam search between us and transformers itself: a model whose logits come out of a table by the last token and its position,
 * searched by both with the same penalties.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { BeamSearch, createPenalties, type LogitsRow, Random } from '../src/generation/index.js';
import { referencePython, runReference } from './support/reference.js';

const python = referencePython();
const folder = mkdtempSync(join(tmpdir(), 'xinghe-beams-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface Case {
  /** Logits [position][last token][V]. */
  readonly table: readonly (readonly (readonly number[])[])[];
  readonly count: number;
  readonly lengthPenalty: number;
  readonly earlyStopping: boolean | 'never';
  readonly stopTokenIds: readonly number[];
  readonly repetitionPenalty: number;
}

interface Choice {
  readonly ids: readonly number[];
  readonly score: number;
}

const TRANSFORMERS = `
import json, sys, torch
from transformers import GenerationConfig, GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput

class TableModel(PreTrainedModel, GenerationMixin):
    config_class = PretrainedConfig
    main_input_name = "input_ids"
    def __init__(self, table):
        super().__init__(PretrainedConfig(vocab_size=table.shape[-1], is_encoder_decoder=False))
        self.table = torch.nn.Parameter(table)
    def forward(self, input_ids, **unused):
        return CausalLMOutput(logits=self.table[input_ids.shape[1] - 1, input_ids[:, -1]][:, None])
    def prepare_inputs_for_generation(self, input_ids, **unused):
        return {"input_ids": input_ids}

results = []
for case in json.load(open(sys.argv[1])):
    table = torch.tensor(case["table"], dtype=torch.float32)
    model = TableModel(table)
    stops = case["stopTokenIds"]
    config = GenerationConfig(
        max_length=len(table) + 1, num_beams=case["count"], num_return_sequences=case["count"],
        length_penalty=case["lengthPenalty"], early_stopping=case["earlyStopping"], eos_token_id=stops or None,
        pad_token_id=999, repetition_penalty=case["repetitionPenalty"], use_cache=False, do_sample=False,
        return_dict_in_generate=True, output_scores=True)
    # No token has the id 999: what stands behind the end of a sequence is recognised by it.
    found = model.generate(torch.tensor([[0]]), generation_config=config)
    results.append([
        {"ids": [i for i in row[1:] if i != 999], "score": score}
        for row, score in zip(found.sequences.tolist(), found.sequences_scores.tolist())])
print(json.dumps(results))
`;

import { requiresPython } from './support/requires.js';

const random = new Random(71n, 0);
const pick = <Item>(...items: readonly Item[]): Item => items[Math.floor(random.uniform() * items.length)]!;

function randomCase(fixed: Partial<Case> = {}): Case {
  // So many tokens that every continuation that is weighed has one: see beam-search.ts for what differs otherwise.
  const vocabulary = pick(32, 50);
  const spread = pick(2, 6, 12, 40);
  const stopTokenIds = pick<readonly number[]>([], [3], [3, 5, 11], [1, 2, 3, 4]);
  // Likely ends, so that beams end early and late.
  const bonus = pick(0, spread / 4, spread / 2);
  const row = (): number[] =>
    Array.from({ length: vocabulary }, (_, id) =>
      Math.fround((random.uniform() - 0.5) * spread + (stopTokenIds.includes(id) ? bonus : 0)),
    );
  return {
    table: Array.from({ length: pick(1, 2, 5, 9, 14) }, () => Array.from({ length: vocabulary }, row)),
    count: pick(2, 3, 4, 6),
    lengthPenalty: pick(-1, -0.3, 0, 0.3, 1, 2),
    earlyStopping: pick<boolean | 'never'>(true, false, 'never'),
    stopTokenIds,
    repetitionPenalty: pick(1, 1, 1.4),
    ...fixed,
  };
}

function search(the: Case): Choice[] {
  const beams = new BeamSearch({ ...the, maxNewTokens: the.table.length });
  let last = [0];
  for (const position of the.table.keys()) {
    if (beams.isFinished) break;
    const rows = last.map((id) => Float32Array.from(the.table[position]?.[id] ?? []));
    const penalise = (row: LogitsRow, beam: number): void => {
      for (const penalty of createPenalties({ repetitionPenalty: the.repetitionPenalty }, [0])) {
        for (const id of beams.generatedIds(beam)) penalty.add(id);
        penalty.apply(row);
      }
    };
    last = beams.advance(rows, penalise).map(({ id }) => id);
  }
  return beams.finish().map(({ ids, score }) => ({ ids, score }));
}

describe('beam search as transformers does it', requiresPython(python), () => {
  test('choices and scores for random logits, length penalties, ways to stop, ends and a repetition penalty', () => {
    const cases = [
      ...Array.from({ length: 300 }, () => randomCase()),
      // Where another bound on what a live beam may reach would show most seldom.
      ...Array.from({ length: 100 }, () =>
        randomCase({ earlyStopping: 'never', lengthPenalty: pick(-1, -0.5) }),
      ),
    ];
    const file = join(folder, 'cases.json');
    writeFileSync(file, JSON.stringify(cases));
    const theirs = runReference<Choice[][]>(python ?? '', TRANSFORMERS, [file]);
    for (const [index, the] of cases.entries()) {
      const { table, ...parameters } = the;
      const label = `case ${index}: ${table.length} steps, ${JSON.stringify(parameters)}`;
      const ours = search(the);
      const expected = theirs[index] ?? [];
      expect(
        ours.map(({ ids }) => ids),
        label,
      ).toEqual(expected.map(({ ids }) => ids));
      for (const [rank, { score }] of ours.entries()) {
        const their = expected[rank]?.score ?? Number.NaN;
        // Sums in float32 there.
        expect(Math.abs(score - their) / Math.max(1, Math.abs(their)), label).toBeLessThan(1e-5);
      }
    }
  });
});
