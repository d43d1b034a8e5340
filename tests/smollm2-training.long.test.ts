/** The same model fine-tuned from its GGUF by its own chat template, and what others make of the result. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadAdapter } from '../src/checkpoint/index.js';
import {
  type CausalLm,
  type ChatMessage,
  convertModel,
  loadModel,
  loadModelTokenizer,
  modelChat,
  readAuxiliaryFile,
} from '../src/models/index.js';
import { intTensor, noGrad, scope } from '../src/tensor/index.js';
import { runTraining, type TrainingResult, trainConfigSchema } from '../src/training/index.js';
import { llamaCppGreedy, requiresLlamaCpp } from './support/llama-cpp.js';
import { referencePython, runReference } from './support/reference.js';
import { requiresPython, requiresShared } from './support/requires.js';
import { sharedData } from './support/shared-data.js';
import { requiresSmolLm2, smolLm2Path } from './support/smollm2.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-smollm2-training-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const questions = sharedData('eval/gsm8k/train.jsonl');
const ROWS = 4;
const EPOCHS = 4;
const output = join(folder, 'run');
const final = join(output, 'final');
const adapter = join(output, 'adapter');

/** Float32 in another order of sums; logits are about 20. */
const BOUND = 5e-4;
/** Margins of the likeliest token below which a rounding decides: of float16, of 8 bit. */
const CLEAR_MARGIN = { float16: 0.05, q8_0: 0.5 } as const;
const NEW_TOKENS = 16;

interface Question {
  readonly question: string;
  readonly answer: string;
}

/** Of GSM8K (training split): the first questions, as dialogues. */
function firstQuestions(): Question[] {
  const lines = readFileSync(questions ?? '', 'utf8')
    .split('\n')
    .slice(0, ROWS);
  return lines.map((line): Question => JSON.parse(line));
}

function logitsOf(model: CausalLm, ids: readonly number[]): number[] {
  const last = scope(() =>
    noGrad(() => model.forward(intTensor(ids, [1, ids.length]), { lastPositions: 1 }).reshape([-1])),
  );
  const values = last.toArray();
  last.dispose();
  return values;
}

function largestDifference(a: readonly number[], b: readonly number[]): number {
  expect(a.length).toBe(b.length);
  return a.reduce((most, value, at) => Math.max(most, Math.abs(value - (b[at] ?? Number.NaN))), 0);
}

/** The likeliest ids one after the other, and how far each is before the second. */
function greedy(model: CausalLm, prompt: readonly number[]): { ids: number[]; margins: number[] } {
  const [ids, margins]: [number[], number[]] = [[], []];
  while (ids.length < NEW_TOKENS) {
    const values = logitsOf(model, [...prompt, ...ids]);
    const [first = 0, second = 0] = [...values.keys()].sort((a, b) => (values[b] ?? 0) - (values[a] ?? 0));
    ids.push(first);
    margins.push((values[first] ?? 0) - (values[second] ?? 0));
  }
  return { ids, margins };
}

/** Folder, base, adapter, conversation: what transformers and PEFT compute. */
const PROGRAM = `
import json, sys, warnings
warnings.filterwarnings('ignore')
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer
final, base, adapter, messages, count = sys.argv[1:]
tokenizer = AutoTokenizer.from_pretrained(final)
rendered = tokenizer.apply_chat_template(json.loads(messages), add_generation_prompt=True, return_tensors='pt', return_dict=True)
ids = rendered['input_ids']
model = AutoModelForCausalLM.from_pretrained(final).eval()
with torch.no_grad():
    merged = model(ids).logits[0, -1].tolist()
    made = model.generate(**rendered, do_sample=False, max_new_tokens=int(count))[0, ids.shape[1]:].tolist()
    adapted = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), adapter).eval()(ids).logits[0, -1].tolist()
print(json.dumps({'ids': ids[0].tolist(), 'merged': merged, 'adapted': adapted, 'made': made}))
`;

const requiresAll = requiresSmolLm2.skip === true ? requiresSmolLm2 : requiresShared(questions);

describe('SmolLM2-135M-Instruct, fine-tuned', requiresAll, () => {
  /** One that it has learned: what it answers is clear. */
  let messages: ChatMessage[] = [];
  let result: TrainingResult | undefined;
  let prompt: readonly number[] = [];

  beforeAll(async () => {
    const file = join(folder, 'questions.jsonl');
    const taught = firstQuestions();
    messages = taught.slice(0, 1).map(({ question }) => ({ role: 'user', content: question }));
    const dialogues = taught.map(({ question, answer }) => ({
      messages: [
        { role: 'user', content: question },
        { role: 'assistant', content: answer },
      ],
    }));
    writeFileSync(file, dialogues.map((dialogue) => `${JSON.stringify(dialogue)}\n`).join(''));
    const config = trainConfigSchema.parse({
      output,
      model: { path: smolLm2Path },
      data: { files: [file], form: 'messages', sequence_length: 256, packing: 'none', shuffle: false },
      lora: { rank: 8, alpha: 16, target_modules: ['.'] },
      training: { epochs: EPOCHS, micro_batch_size: 1, learning_rate: 1e-3, schedule: 'constant' },
    });
    result = await runTraining(config);
    const { architecture } = loadModel(final);
    const chat = modelChat(architecture, [final]);
    prompt = chat.renderPrompt(messages, loadModelTokenizer(architecture, final));
  }, 600_000);

  test('the loss on the same rows falls from pass to pass', () => {
    const losses = result?.losses.map(({ loss }) => loss) ?? [];
    expect(losses).toHaveLength(ROWS * EPOCHS);
    const passes = Array.from({ length: EPOCHS }, (_, pass) =>
      losses.slice(pass * ROWS, (pass + 1) * ROWS).reduce((sum, loss) => sum + loss / ROWS, 0),
    );
    expect(passes).toEqual(passes.toSorted((a, b) => b - a));
    expect(passes.at(-1)).toBeLessThan((passes[0] ?? 0) * 0.8);
  });

  test('the merged folder says what the model says with the adapter beside it, and has its template', () => {
    const base = loadModel(smolLm2Path);
    const before = logitsOf(base.model, prompt);
    loadAdapter(base.model, base.architecture.names, adapter);
    const adapted = logitsOf(base.model, prompt);
    base.model.dispose();
    const merged = loadModel(final);
    expect(largestDifference(logitsOf(merged.model, prompt), adapted)).toBeLessThan(BOUND);
    expect(largestDifference(before, adapted)).toBeGreaterThan(1);
    merged.model.dispose();
    const config = JSON.parse(readAuxiliaryFile(smolLm2Path, 'tokenizer_config.json') ?? '{}');
    expect(readFileSync(join(final, 'chat_template.jinja'), 'utf8')).toBe(config.chat_template);
  });

  const python = referencePython();
  test('transformers reads the merged folder, PEFT the adapter, and both agree', {
    timeout: 600_000,
    ...requiresPython(python),
  }, async () => {
    const base = join(folder, 'base');
    await convertModel({ from: smolLm2Path, to: base });
    const theirs = runReference<{ ids: number[]; merged: number[]; adapted: number[]; made: number[] }>(
      python ?? '',
      PROGRAM,
      [final, base, adapter, JSON.stringify(messages), String(NEW_TOKENS)],
      { timeout: 500_000 },
    );
    expect(theirs.ids).toEqual(prompt);
    const { model } = loadModel(final);
    const ours = logitsOf(model, prompt);
    expect(largestDifference(ours, theirs.merged)).toBeLessThan(BOUND);
    expect(largestDifference(ours, theirs.adapted)).toBeLessThan(BOUND);
    expect(greedy(model, prompt).ids.slice(0, theirs.made.length)).toEqual(theirs.made);
    model.dispose();
  });

  describe.each(['float16', 'q8_0'] as const)('as a GGUF in %s', (kind) => {
    const to = join(folder, `${kind}.gguf`);
    /** Of what the merged folder answers, as much as no rounding decides. */
    let clear: readonly number[] = [];

    beforeAll(async () => {
      await convertModel({
        from: final,
        to,
        ...(kind === 'q8_0' ? { quantization: 'Q8_0' } : { dtype: kind }),
      });
      const { model } = loadModel(final);
      const { ids, margins } = greedy(model, prompt);
      model.dispose();
      const unclear = margins.findIndex((margin) => margin < CLEAR_MARGIN[kind]);
      clear = unclear < 0 ? ids : ids.slice(0, unclear);
      expect(clear).not.toEqual([]);
    }, 300_000);

    test('it answers the same', { timeout: 300_000 }, () => {
      const { model } = loadModel(to);
      expect(greedy(model, prompt).ids.slice(0, clear.length)).toEqual(clear);
      model.dispose();
    });

    test('and so does llama.cpp', { timeout: 300_000, ...requiresLlamaCpp }, () => {
      expect(llamaCppGreedy(to, [prompt], [clear.length])).toEqual([clear]);
    });
  });
});
