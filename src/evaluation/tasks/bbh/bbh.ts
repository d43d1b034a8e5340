import { readFileSync } from 'node:fs';
import { InputError } from '../../../errors/index.js';
import { decodeUtf8 } from '../../../formats/index.js';
import { fieldOf } from '../../../json/index.js';
import { afterLast, strip } from '../../graders/python-text.js';
import { type Row, type SetFile, type SetReader, textOf } from '../../sets/set-reader.js';
import { isShard } from '../../sets/split.js';
import { graded, type LoadedSet, type LoadOptions, type Prompt, type Sample, type Task } from '../../task.js';

export const bbh: Task = {
  name: 'bbh',
  title: 'BBH',
  version: 1,
  folder: 'bbh',
  source: 'github.com/suzgunmirac/BIG-Bench-Hard',
  paper: 'Suzgun et al. 2022, Challenging BIG-Bench Tasks and Whether Chain-of-Thought Can Solve Them',
  deviations: [],
  defaultShots: 3,
  defaultMode: 'generate',
  takesCot: true,
  isCotByDefault: true,
  averages: [
    { over: 'tasks (23 in the paper; files of one task are averaged first)', groups: tasksOf },
    { over: 'files', groups: filesOf },
  ],
  load,
};

/** Files of these are one task of the paper. */
const TASKS_OF_FILES = ['logical_deduction', 'tracking_shuffled_objects'];

function taskOf(stem: string): string {
  return TASKS_OF_FILES.find((task) => stem.startsWith(`${task}_`)) ?? stem;
}

/** Every file has a group, and those that share a task have another with it. */
function tasksOf(all: readonly string[]): readonly string[] {
  return all.filter((name) => taskOf(name) === name);
}

function filesOf(all: readonly string[]): readonly string[] {
  return all.filter((name) => !TASKS_OF_FILES.includes(name));
}

async function load(reader: SetReader, options: LoadOptions): Promise<LoadedSet> {
  const samples: Sample[] = [];
  for (const file of reader.files().flatMap(taskFile)) {
    const rows = file.folders.length > 0 ? await reader.rows(file) : await examplesIn(reader, file);
    if (rows === undefined) {
      reader.problems.add('other form', file.stem, `${file.path} has no list "examples".`);
      continue;
    }
    const prompt = options.needsPrompts ? promptMaker(reader, file, options) : undefined;
    samples.push(...reader.readEach(rows, file, ({ index, value }) => sampleOf(index, value, file, prompt)));
  }
  if (samples.length === 0) reader.refuse('file of {"examples": [{"input", "target"}]}');
  return { samples, notes: [] };
}

/** The authors' files lie in no folder; of the hub's form the folder is the task. */
function taskFile(file: SetFile): SetFile[] {
  if (file.folders.length === 0) return [file];
  const stem = file.folders.at(-1);
  return isShard(file) && stem !== undefined ? [{ ...file, stem }] : [];
}

async function examplesIn(reader: SetReader, file: SetFile): Promise<Row[] | undefined> {
  const items = fieldOf(await reader.whole(file), 'examples');
  if (!Array.isArray(items)) return undefined;
  return items.map((value: unknown, index) => ({ index, source: `${file.path}: example ${index}`, value }));
}

function sampleOf(
  index: number,
  value: unknown,
  file: SetFile,
  prompt: ((input: string) => Prompt) | undefined,
): Sample {
  const input = textOf(value, 'input');
  const target = textOf(value, 'target');
  return {
    id: `${file.stem}/${index}`,
    file: file.stem,
    groups: [...new Set([file.stem, taskOf(file.stem)])],
    target,
    prompt: prompt?.(input),
    reference: ` ${target}`,
    stop: ['\n\n', 'Q:'],
    maxNewTokens: 512,
    grade: (outputs) => graded(outputs, extractAnswer, target),
  };
}

/** Behind the last "the answer is", without one final dot; the whole output where the words are not said. */
export function extractAnswer(output: string): string {
  const answer = afterLast(output, 'the answer is');
  return answer === undefined ? strip(output) : strip(answer).replace(/\.$/, '');
}

/** Three worked questions, from the authors' file of prompts. */
function promptMaker(
  reader: SetReader,
  file: SetFile,
  { shots, isCot }: LoadOptions,
): (input: string) => Prompt {
  const cue = isCot ? "A: Let's think step by step." : 'A:';
  const { heading, examples } = shots === 0 ? { heading: '', examples: [] } : readPrompts(reader, file.stem);
  if (shots > examples.length)
    throw new InputError(
      `bbh: --shots ${shots}, but the prompts of ${file.stem} have ${examples.length} examples.`,
    );
  const turns = examples.slice(0, shots).map(({ question, reasoning, answer }) => ({
    question: `${question}\n${cue}`,
    answer: isCot ? reasoning : ` ${answer}`,
  }));
  return (input) => ({ header: heading, shots: turns, question: `Q: ${input}\n${cue}` });
}

interface WorkedQuestion {
  readonly question: string;
  readonly reasoning: string;
  readonly answer: string;
}

function readPrompts(
  reader: SetReader,
  stem: string,
): { readonly heading: string; readonly examples: readonly WorkedQuestion[] } {
  const places = [`bbh/cot-prompts/${stem}.txt`, `../eval-prompts/bbh/cot-prompts/${stem}.txt`];
  const path = reader.find(...places);
  if (path === undefined)
    throw new InputError(
      `bbh: the three worked examples of ${stem} are not there (${places.join(', ')} below the data); put the authors' ` +
        'cot-prompts there, or give --shots 0.',
    );
  reader.use(path);
  const text = decodeUtf8(readFileSync(path), path);
  // The first two lines say that it must not be trained on.
  const body = text.split('\n').slice(2).join('\n').trimEnd();
  const [heading = '', ...questions] = body.split(/\n\nQ: /);
  const examples = questions.map((each): WorkedQuestion => {
    const mark = "\nA: Let's think step by step.";
    const at = each.indexOf(mark);
    if (at < 0) throw new InputError(`${path}: an example without "${mark.trim()}".`);
    const reasoning = each.slice(at + mark.length);
    return { question: `Q: ${each.slice(0, at)}`, reasoning, answer: extractAnswer(reasoning) };
  });
  return { heading: `${heading}\n\n`, examples };
}
