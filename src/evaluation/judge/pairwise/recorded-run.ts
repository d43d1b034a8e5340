/** What a model said to dialogues, from the folder of an evaluation or a file of recorded outputs. */
import { basename, join } from 'node:path';
import { InputError } from '../../../errors/index.js';
import { fileStatus, readJsonFile, readJsonLines, sha256OfFile } from '../../../formats/index.js';
import { fieldOf } from '../../../json/index.js';

export interface RecordedRun {
  readonly name: string;
  readonly path: string;
  readonly sha256: string;
  /** Its answers turn by turn, by the dialogue's id. */
  readonly answers: ReadonlyMap<string, readonly string[]>;
  /** Scores of its own judge, by id. */
  readonly scores: ReadonlyMap<string, number>;
  /** Of the set that it answered, where it says so. */
  readonly dataSha256: string | undefined;
}

/**
 * @param spec a path, or NAME=PATH
 * @throws InputError where nothing is there, or nothing of dialogues
 */
export function readRecordedRun(spec: string): RecordedRun {
  const { name, path } = namedPath(spec);
  const status = fileStatus(path);
  if (status === undefined)
    throw new InputError(`${path}: there is no such file or folder; give the --output of an evaluation.`);
  const file = status.isDirectory() ? join(path, 'samples.jsonl') : path;
  if (fileStatus(file)?.isFile() !== true)
    throw new InputError(`${path} holds no samples.jsonl; give the --output of a finished evaluation.`);
  const answers = new Map<string, readonly string[]>();
  const scores = new Map<string, number>();
  for (const { line, value } of readJsonLines(file)) {
    if ((fieldOf(value, 'task') ?? 'dialogue') !== 'dialogue') continue;
    const id = fieldOf(value, 'id');
    const outputs = outputsOf(fieldOf(value, 'output'));
    if (typeof id !== 'string' || outputs === undefined)
      throw new InputError(
        `${file}:${line}: a recorded answer is {"task": "dialogue", "id": "logic/0", "output": "…" or ["…"]}, found ${JSON.stringify(value)?.slice(0, 200)}.`,
      );
    const score = fieldOf(fieldOf(value, 'verdict'), 'score');
    if (typeof score === 'number') scores.set(id, score);
    if (outputs.length > 0) answers.set(id, [...(answers.get(id) ?? []), ...outputs]);
  }
  if (answers.size === 0) throw new InputError(`${file} holds no answer of the task dialogue.`);
  const dataSha256 = status.isDirectory() ? setOf(join(path, 'results.json')) : undefined;
  return { name, path, sha256: sha256OfFile(file), answers, scores, dataSha256 };
}

function namedPath(spec: string): { name: string; path: string } {
  const [, name, path] = /^([^=/\\]+)=(.+)$/.exec(spec) ?? [];
  if (name !== undefined && path !== undefined && fileStatus(spec) === undefined) return { name, path };
  const bare = spec.replace(/[/\\]+$/, '');
  return { name: basename(bare).replace(/\.jsonl$/, ''), path: spec };
}

/** None for a dialogue that could not be answered. */
function outputsOf(output: unknown): readonly string[] | undefined {
  if (output === null) return [];
  if (typeof output === 'string') return [output];
  return Array.isArray(output) && output.every((each): each is string => typeof each === 'string')
    ? output
    : undefined;
}

function setOf(path: string): string | undefined {
  if (fileStatus(path) === undefined) return undefined;
  const tasks = fieldOf(readJsonFile(path), 'tasks');
  const own: unknown = Array.isArray(tasks)
    ? tasks.find((each) => fieldOf(each, 'task') === 'dialogue')
    : undefined;
  const sha256 = fieldOf(fieldOf(own, 'data'), 'sha256');
  return typeof sha256 === 'string' ? sha256 : undefined;
}
