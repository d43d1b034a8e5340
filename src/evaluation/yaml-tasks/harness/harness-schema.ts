/** The keys of a task file of lm-evaluation-harness, and what of them needs Python. */
import { z } from 'zod';
import { TaggedText } from '../../../config/index.js';
import type { KeyPlaces } from '../task-file.js';

/** With it the harness names a Python function. */
export const FUNCTION_TAG = '!function';

const text = z.string();
const template = z.union([text, z.number()]).transform(String);
const delimiter = text.nullish();
const split = text.min(1).nullish();
const texts = z.array(z.union([text, z.number(), z.boolean()]).transform(pythonText));
const choice = z.union([text, texts, z.record(text, template).transform((map) => Object.values(map))]);
const target = z.union([text, z.int(), texts]);
const metadata = z.record(text, z.unknown()).nullish();

/** As Python's str() has it. */
function pythonText(value: string | number | boolean): string {
  return typeof value === 'boolean' ? (value ? 'True' : 'False') : String(value);
}

const generation = z.strictObject({
  until: z.union([text.transform((one) => [one]), z.array(text)]).optional(),
  max_gen_toks: z.int().min(1).optional(),
  max_new_tokens: z.int().min(1).optional(),
  do_sample: z.boolean().optional(),
  temperature: z.coerce.number().min(0).optional(),
  top_p: z.number().gt(0).max(1).optional(),
  top_k: z.int().min(0).optional(),
  num_beams: z.literal(1, 'beams are not searched here; 1 is needed').optional(),
});

const metric = z.looseObject({
  metric: text,
  aggregation: text.optional(),
  higher_is_better: z.boolean().optional(),
  hf_evaluate: z.boolean().optional(),
});

const filterList = z.array(
  z.strictObject({ name: text, filter: z.array(z.looseObject({ function: text })).min(1) }),
);

const fewshot = z.strictObject({
  sampler: text.optional(),
  split,
  samples: z.array(z.record(text, z.unknown())).nullish(),
  fewshot_indices: z.array(z.int().min(0)).nullish(),
  doc_to_text: template.nullish(),
  doc_to_choice: choice.nullish(),
  doc_to_target: target.nullish(),
  gen_prefix: text.nullish(),
  fewshot_delimiter: delimiter,
  target_delimiter: delimiter,
});

export const harnessTaskSchema = z.strictObject({
  task: text.min(1),
  task_alias: text.nullish(),
  group: z.union([text, z.array(text)]).nullish(),
  tag: z.union([text, z.array(text)]).nullish(),
  dataset_path: text.min(1),
  dataset_name: template.nullish(),
  dataset_kwargs: z.record(text, z.unknown()).nullish(),
  training_split: split,
  validation_split: split,
  test_split: split,
  fewshot_split: split,
  doc_to_text: z.union([text, z.int()]),
  doc_to_target: target.nullish(),
  doc_to_choice: choice.nullish(),
  description: text.nullish(),
  target_delimiter: text.default(' '),
  fewshot_delimiter: text.default('\n\n'),
  fewshot_config: fewshot.nullish(),
  num_fewshot: z.int().min(0).nullish(),
  metric_list: z.array(metric).min(1).nullish(),
  output_type: z.enum(['multiple_choice', 'loglikelihood', 'generate_until']).default('generate_until'),
  generation_kwargs: generation.nullish(),
  repeats: z.int().min(1).default(1),
  filter_list: filterList.nullish(),
  should_decontaminate: z.boolean().optional(),
  doc_to_decontamination_query: z.unknown().optional(),
  gen_prefix: text.nullish(),
  unsafe_code: z.boolean().optional(),
  metadata,
});

export type HarnessConfig = z.output<typeof harnessTaskSchema>;

/** Keys that this needs something else for, by their names. */
const FOREIGN: Readonly<Record<string, string>> = {
  class: 'a task that is a Python class',
  custom_dataset: 'a Python function that makes the data',
  process_docs: 'a Python function that changes the rows',
  process_results: 'a Python function that grades',
  use_prompt: 'the package promptsource',
  doc_to_image: 'a model that sees images',
  doc_to_audio: 'a model that hears',
};

/** @throws InputError that names each Python function with its line, and other things that are not here */
export function refuseForeign(file: KeyPlaces, content: Readonly<Record<string, unknown>>): void {
  const functions = taggedIn(content);
  if (functions.length > 0) {
    const [first] = functions;
    const names = functions.map(
      ({ path, text: name }) => `${path.map(String).join('.')}: ${FUNCTION_TAG} ${name}`,
    );
    throw file.fault(
      first?.path ?? [],
      `needs Python: ${names.join(', ')}. Write what it does as a template, or prepare the rows by it and leave the key out.`,
    );
  }
  for (const [key, need] of Object.entries(FOREIGN))
    if (content[key] !== undefined && content[key] !== null)
      throw file.fault([key], `needs ${need}, which is not here.`);
  if (content.unsafe_code === true)
    throw file.fault(['unsafe_code'], 'runs what the model wrote by a Python function, which is not here.');
  const output = content.output_type;
  if (output === 'loglikelihood_rolling')
    throw file.fault(['output_type'], 'loglikelihood_rolling (perplexity of whole documents) is not here.');
}

interface Tagged {
  readonly path: readonly PropertyKey[];
  readonly text: string;
}

function taggedIn(value: unknown, path: readonly PropertyKey[] = []): Tagged[] {
  if (value instanceof TaggedText) return [{ path, text: value.text }];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, each]) => taggedIn(each, [...path, key]));
}
