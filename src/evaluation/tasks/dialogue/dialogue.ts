import { basename, dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InputError } from '../../../errors/index.js';
import { fileStatus } from '../../../formats/index.js';
import type { SetFile, SetReader } from '../../sets/set-reader.js';
import type { LoadedSet, LoadOptions, Sample, Task } from '../../task.js';
import { checkDialogueFile, readDialogueLine } from './dialogue-line.js';

export const dialogue: Task = {
  name: 'dialogue',
  title: 'Dialogues scored by a judge',
  version: 1,
  folder: 'dialogue',
  source: 'our own, src/evaluation/tasks/dialogue/set',
  paper: 'TeleChat Technical Report, 2024, for the ten dimensions and the judge (its own set is not public)',
  deviations: [
    'the questions are our own, for the published ones are private: scores do not compare with published ones',
    'so is the rubric, and the judge is whichever the user names',
  ],
  defaultShots: undefined,
  defaultMode: 'generate',
  modes: ['generate'],
  takesCot: false,
  allowsSeveralOutputs: true,
  isJudged: true,
  metric: 'judge',
  // The set that comes with the product lies beside the sources.
  root: fileURLToPath(new URL('../../../../src/evaluation/tasks/', import.meta.url)),
  load: (reader, options) => load(reader, reader.files(), options),
};

/** The same task over a file, or a folder of files, of one's own. @throws InputError where nothing is there */
export function dialogueOf(path: string): Task {
  const status = fileStatus(path);
  if (status === undefined) throw new InputError(`--dialogues ${path}: there is no such file or folder.`);
  const whole = resolve(path);
  const common = { ...dialogue, source: basename(whole), root: dirname(whole) };
  if (status.isDirectory()) return { ...common, folder: basename(whole) };
  checkDialogueFile(path);
  return {
    ...common,
    folder: '.',
    load: (reader, options) =>
      load(
        reader,
        reader.files().filter(({ path: own }) => own === basename(whole)),
        options,
      ),
  };
}

async function load(
  reader: SetReader,
  files: readonly SetFile[],
  { needsPrompts }: LoadOptions,
): Promise<LoadedSet> {
  const samples: Sample[] = [];
  for (const file of files) {
    const rows = await reader.rows(file);
    samples.push(
      ...reader.readEach(rows, file, (row) => {
        const judged = readDialogueLine(row, file.stem);
        return sampleOf(`${file.stem}/${row.index}`, file.stem, judged, needsPrompts);
      }),
    );
  }
  if (samples.length === 0) reader.refuse('lines of {"turns": ["…"], …}');
  return { samples, notes: [] };
}

const SPEAKERS = {
  zh: { user: '用户：', assistant: '助手：' },
  en: { user: 'User: ', assistant: 'Assistant:' },
} as const;

function sampleOf(
  id: string,
  file: string,
  judged: NonNullable<Sample['judged']>,
  needsPrompts: boolean,
): Sample {
  const { dimension, language, system, turns, reference } = judged;
  const [question = '', ...laterTurns] = turns;
  const speakers = SPEAKERS[language];
  return {
    id,
    file,
    groups: [
      dimension,
      language === 'zh' ? 'Chinese' : 'English',
      turns.length > 1 ? 'multi-turn' : 'single-turn',
    ],
    // Not null: a dialogue has a score without one.
    target: reference ?? '',
    prompt: needsPrompts
      ? { ...(system !== undefined && { system }), shots: [], question, dialogue: { turns: [], speakers } }
      : undefined,
    laterTurns,
    judged,
    stop: [`\n${speakers.user.trim()}`, `\n${speakers.assistant}`],
    maxNewTokens: dimension === 'long-writing' ? 2048 : 1024,
    grade: () => {
      throw new RangeError('a dialogue is graded by a judge');
    },
  };
}
