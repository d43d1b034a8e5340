import { type Row, type SetReader, textOf } from '../../sets/set-reader.js';
import type { Grade, GradingTools, LoadedSet, LoadOptions, Sample, Task } from '../../task.js';

export const humaneval: Task = {
  name: 'humaneval',
  title: 'HumanEval',
  version: 1,
  folder: 'humaneval',
  source: 'github.com/openai/human-eval',
  paper: 'Chen et al. 2021, Evaluating Large Language Models Trained on Code',
  deviations: [
    'programs run in a sandbox of namespaces and limits, each in an interpreter of its own; the original runs them in forks of one',
    'of a chat answer the first fenced block is run, as OpenCompass does; recorded outputs are run as they are',
  ],
  defaultShots: undefined,
  defaultMode: 'generate',
  takesCot: false,
  allowsSeveralOutputs: true,
  runsCode: true,
  load,
};

/** Text that begins what is no longer the function. */
const STOP = ['\nclass', '\ndef', '\n#', '\nif', '\nprint'];

async function load(reader: SetReader, _options: LoadOptions): Promise<LoadedSet> {
  const samples: Sample[] = [];
  for (const file of reader.files()) {
    const rows = await reader.rows(file);
    samples.push(...reader.readEach(rows, file, (row) => sampleOf(row, file.stem)));
  }
  if (samples.length === 0) reader.refuse('lines of {"prompt", "test", "entry_point"}');
  return { samples, notes: [] };
}

function sampleOf({ index, value }: Row, stem: string): Sample {
  const prompt = textOf(value, 'prompt');
  const test = textOf(value, 'test');
  const entry = textOf(value, 'entry_point');
  const solution = fieldOrNone(value, 'canonical_solution');
  return {
    id: `${stem}/${index}`,
    file: stem,
    groups: [stem],
    target: entry,
    prompt: { shots: [], question: prompt },
    reference: solution,
    stop: STOP,
    maxNewTokens: 512,
    grade: (outputs, tools) =>
      gradePrograms(outputs, (output) => programOf(prompt, output, test, entry), tools),
  };
}

function fieldOrNone(value: unknown, key: string): string | undefined {
  try {
    return textOf(value, key);
  } catch {
    return undefined;
  }
}

/** Nothing of the output is cut or mended. */
export function programOf(prompt: string, output: string, test: string, entry: string): string {
  return `${prompt}${output}\n${test}\ncheck(${entry})`;
}

async function gradePrograms(
  outputs: readonly string[],
  program: (output: string) => string,
  { runProgram }: GradingTools,
): Promise<Grade> {
  const verdicts = await Promise.all(outputs.map((output) => runProgram(program(output))));
  const outcomes = verdicts.map(({ outcome }) => outcome);
  return {
    extracted: outcomes.length === 1 ? (outcomes[0] ?? null) : outcomes,
    isCorrect: verdicts.map(({ hasPassed }) => hasPassed),
  };
}
