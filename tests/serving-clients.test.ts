/**
 * Programs that people point at a server: Python's openai client and lm-evaluation-harness, against `xinghe serve` with a tiny
 * model. The harness's log-likelihoods must be those of `xinghe forward`.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { main } from '../src/cli/main.js';
import { loadTokenizer } from '../src/tokenizers/index.js';
import { safetensorsOf } from './support/golden.js';
import { referencePython, runReference } from './support/reference.js';
import { ServedProcess } from './support/served-process.js';
import { writeTinyModel } from './support/tiny-model.js';

const python = referencePython('clients');
const scratch = mkdtempSync(join(tmpdir(), 'xinghe-clients-'));
let model: string;
let server: ServedProcess;

beforeAll(async () => {
  if (python === undefined) return;
  model = await writeTinyModel();
  server = new ServedProcess(['--model', model, '--port', '0', '--quiet', '--max-model-len', '512']);
  await server.ready();
});
afterAll(async () => {
  await server?.end();
  if (model !== undefined) rmSync(dirname(model), { recursive: true, force: true });
  rmSync(scratch, { recursive: true, force: true });
});

const openaiProgram = `
import json, sys, openai
from typing import Literal
from pydantic import BaseModel

client = openai.OpenAI(base_url=sys.argv[1] + "/v1", api_key="none-needed", max_retries=0)
ask = dict(model="tiny", messages=[{"role": "user", "content": "hello"}], temperature=0, max_tokens=12)
out = {}
answer = client.chat.completions.create(**ask, logprobs=True, top_logprobs=2, seed=7)
out["chat"] = answer.choices[0].message.content
out["logprobs"] = len(answer.choices[0].logprobs.content)
out["usage"] = answer.usage.completion_tokens
stream = client.chat.completions.create(**ask, stream=True, stream_options={"include_usage": True})
out["streamed"], out["streamed_usage"] = "", None
for chunk in stream:
    if chunk.choices:
        out["streamed"] += chunk.choices[0].delta.content or ""
    if chunk.usage:
        out["streamed_usage"] = chunk.usage.completion_tokens
out["again"] = client.chat.completions.create(**ask, n=2).choices[1].message.content

class City(BaseModel):
    name: Literal["Beijing", "Hefei"]
    big: bool

parsed = client.chat.completions.parse(**{**ask, "max_tokens": 300}, response_format=City)
out["parsed"] = parsed.choices[0].message.parsed.model_dump()
tools = [{"type": "function", "function": {"name": "on", "parameters": {
    "type": "object", "properties": {"on": {"type": "boolean"}}, "required": ["on"], "additionalProperties": False}}}]
called = client.chat.completions.create(**{**ask, "max_tokens": 60}, tools=tools, tool_choice="required")
out["tool_finish"] = called.choices[0].finish_reason
out["tool"] = [call.function.name for call in called.choices[0].message.tool_calls or []]
text = client.completions.create(model="tiny", prompt=["one", "two"], max_tokens=4, temperature=0, echo=True, logprobs=1)
out["texts"] = [choice.text for choice in text.choices]
out["ids"] = [model.id for model in client.models.list()]
out["choice"] = client.completions.create(model="tiny", prompt="x", max_tokens=20,
    extra_body={"structured_outputs": {"choice": ["alpha", "beta"]}}).choices[0].text

def failure(call):
    try:
        call()
    except openai.APIStatusError as error:
        return [type(error).__name__, error.status_code, error.code, error.param]

out["failures"] = [
    failure(lambda: client.chat.completions.create(**{**ask, "model": "gpt"})),
    failure(lambda: client.chat.completions.create(**{**ask, "temperature": -1})),
    failure(lambda: client.chat.completions.create(**{**ask, "max_tokens": 5000})),
    failure(lambda: client.chat.completions.create(**ask, response_format={"type": "json_schema", "json_schema": {
        "name": "x", "schema": {"type": "array", "contains": {"type": "integer"}}}})),
]
print(json.dumps(out))
`;

test("Python's openai client", requiresPython(python, 'clients'), () => {
  const out = runReference<Record<string, unknown>>(python ?? '', openaiProgram, [server.url]);
  expect(out).toMatchObject({
    logprobs: out.usage,
    streamed: out.chat,
    streamed_usage: out.usage,
    again: out.chat,
    parsed: { name: expect.stringMatching(/^(Beijing|Hefei)$/), big: expect.any(Boolean) },
    tool: ['on'],
    tool_finish: 'tool_calls',
    texts: [expect.stringMatching(/^one/), expect.stringMatching(/^two/)],
    ids: ['tiny'],
    choice: expect.stringMatching(/^(alpha|beta)$/),
    failures: [
      ['NotFoundError', 404, 'model_not_found', 'model'],
      ['BadRequestError', 400, expect.anything(), 'temperature'],
      ['BadRequestError', 400, 'context_length_exceeded', 'messages'],
      ['BadRequestError', 400, expect.anything(), null],
    ],
  });
});

const harnessProgram = `
import json, sys
from lm_eval import simple_evaluate
from lm_eval.tasks import TaskManager

url, folder = sys.argv[1], sys.argv[2]
manager = TaskManager(include_path=folder, include_defaults=False)

def evaluate(model, path, tasks, chat=False, **options):
    results = simple_evaluate(model=model, tasks=tasks, task_manager=manager, log_samples=True, bootstrap_iters=0,
        apply_chat_template=chat, model_args=dict(model="tiny", base_url=url + path, max_retries=1, max_length=512, **options))
    samples = {name: [{"arguments": [list(a) for a in s["arguments"]], "answers": s["filtered_resps"]} for s in rows]
        for name, rows in results["samples"].items()}
    return {"samples": samples, "results": results["results"]}

tasks = ["tiny_choice", "tiny_text", "tiny_rolling"]
out = {
    "one": evaluate("local-completions", "/v1/completions", tasks, tokenizer_backend="auto"),
    "many": evaluate("local-completions", "/v1/completions", tasks, tokenizer_backend="remote", batch_size=4),
    "texts": evaluate("local-completions", "/v1/completions", ["tiny_choice"], tokenizer_backend="remote",
        tokenized_requests=False),
    "chat": evaluate("local-chat-completions", "/v1/chat/completions", ["tiny_text"], chat=True),
}
sys.stdout.write("\\n" + json.dumps(out, default=str))
`;

import { requiresPython } from './support/requires.js';

interface Harness {
  readonly samples: Readonly<
    Record<
      string,
      readonly { readonly arguments: readonly unknown[][]; readonly answers: readonly unknown[] }[]
    >
  >;
  readonly results: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

function writeTasks(folder: string): void {
  mkdirSync(folder, { recursive: true });
  const documents = [
    { question: 'The sky is', choices: [' blue', ' green today', ' 天空'], label: 0 },
    { question: 'One and one make', choices: [' two', ' a pair of shoes', ' 3'], label: 0 },
    { question: '你好，世界', choices: ['。', '！很高兴', ' yes'], label: 1 },
    { question: 'Once upon a time there was a king who had', choices: [' a son', ' no hat'], label: 1 },
  ];
  const data = join(folder, 'data.jsonl');
  writeFileSync(data, documents.map((document) => `${JSON.stringify(document)}\n`).join(''));
  const task = (name: string, lines: readonly string[]): void =>
    writeFileSync(
      join(folder, `${name}.yaml`),
      [
        `task: ${name}`,
        'dataset_path: json',
        `dataset_kwargs: {data_files: {test: ${JSON.stringify(data)}}}`,
        'test_split: test',
        ...lines,
        'metadata: {version: 1}',
        '',
      ].join('\n'),
    );
  task('tiny_choice', [
    'output_type: multiple_choice',
    'doc_to_text: "{{question}}"',
    'doc_to_choice: choices',
    'doc_to_target: label',
    'target_delimiter: ""',
    'metric_list: [{metric: acc}]',
  ]);
  task('tiny_text', [
    'output_type: generate_until',
    'doc_to_text: "{{question}}"',
    'doc_to_target: "{{choices[0]}}"',
    'generation_kwargs: {until: ["e"], max_gen_toks: 12, temperature: 0}',
    'metric_list: [{metric: exact_match}]',
  ]);
  task('tiny_rolling', [
    'output_type: loglikelihood_rolling',
    'doc_to_text: ""',
    'doc_to_target: "{{question}}"',
    'metric_list: [{metric: word_perplexity}]',
  ]);
}

describe('lm-evaluation-harness, local-completions', requiresPython(python, 'clients'), () => {
  const tasks = join(scratch, 'tasks');
  beforeAll(() => writeTasks(tasks));

  function evaluate(): Readonly<Record<'one' | 'many' | 'texts' | 'chat', Harness>> {
    const result = spawnSync(python ?? '', ['-c', harnessProgram, server.url, tasks], {
      encoding: 'utf8',
      timeout: 110_000,
      env: { ...process.env, HF_HOME: join(scratch, 'hf'), HF_HUB_OFFLINE: '1', HF_DATASETS_OFFLINE: '1' },
    });
    if (result.status !== 0) throw new Error(`lm-eval failed:\n${result.stderr.slice(-4000)}`);
    return JSON.parse(result.stdout.slice(result.stdout.lastIndexOf('\n'))) as ReturnType<typeof evaluate>;
  }

  test('log-likelihoods are those of xinghe forward, one by one and in batches', async () => {
    const { one, many, texts, chat } = evaluate();
    const pairs = (one.samples.tiny_choice ?? []).flatMap(({ arguments: asked, answers }) =>
      asked.map(([context, continuation], index) => ({
        context: String(context),
        continuation: String(continuation),
        answer: answers[index] as [logLikelihood: number, isGreedy: boolean],
      })),
    );
    expect(pairs).toHaveLength(11);
    const expected = await forwardLogLikelihoods(pairs);
    for (const [index, { answer }] of pairs.entries()) {
      // The harness must not see more than the rounding of float32 between the two programs.
      expect(Math.abs(Number(answer[0]) - (expected[index]?.logLikelihood ?? Number.NaN))).toBeLessThan(1e-4);
      expect(String(answer[1]).toLowerCase()).toBe(String(expected[index]?.isGreedy));
    }
    const answers = ({ samples }: Harness): number[] =>
      (samples.tiny_choice ?? []).flatMap((sample) =>
        sample.answers.map((answer) => Number((answer as number[])[0])),
      );
    // Company in the batch changes nothing; neither does a prompt that comes as text.
    for (const other of [many, texts])
      for (const [index, answer] of answers(other).entries())
        expect(answer).toBeCloseTo(answers(one)[index] ?? 0, 4);
    expect(many.samples.tiny_text?.map(({ answers }) => answers)).toEqual(
      one.samples.tiny_text?.map(({ answers }) => answers),
    );
    for (const { answers } of one.samples.tiny_text ?? []) expect(String(answers[0])).not.toContain('e');
    expect(chat.samples.tiny_text?.map(({ answers }) => typeof answers[0])).toEqual(Array(4).fill('string'));
    expect(Number(one.results.tiny_rolling?.['word_perplexity,none'])).toBeGreaterThan(1);
  });

  /** By the command line, from logits. The harness splits where the ids of the context end. */
  async function forwardLogLikelihoods(
    pairs: readonly { readonly context: string; readonly continuation: string }[],
  ): Promise<{ readonly logLikelihood: number; readonly isGreedy: boolean }[]> {
    const tokenizer = loadTokenizer(model);
    const rows = pairs.map(({ context, continuation }) => tokenizer.encode(context + continuation));
    const length = Math.max(...rows.map((row) => row.length));
    const input = join(scratch, 'ids.json');
    const output = join(scratch, 'logits.safetensors');
    // What stands behind a token has no part in it.
    const padded = rows.map((row) => [...row, ...Array<number>(length - row.length).fill(0)]);
    writeFileSync(input, JSON.stringify({ input_ids: padded }));
    const args = ['forward', '--model', model, '--input', input, '--output', output, '--dtype', 'float64'];
    expect(await main(args)).toBe(0);
    const logProbs = safetensorsOf(output)('logits').to('float64').logSoftmax(-1).toFloat64Array(); // [B, T, V]
    const vocabulary = logProbs.length / (rows.length * length);
    return rows.map((row, index) => {
      const start = tokenizer.encode(pairs[index]?.context ?? '').length;
      let logLikelihood = 0;
      let isGreedy = true;
      for (let at = start; at < row.length; at++) {
        const from = (index * length + at - 1) * vocabulary;
        const own = logProbs[from + (row[at] ?? 0)] ?? Number.NaN;
        logLikelihood += own;
        isGreedy &&= logProbs.subarray(from, from + vocabulary).every((value) => value <= own);
      }
      return { logLikelihood, isGreedy };
    });
  }
});
