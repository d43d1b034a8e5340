/** Strategy files of MindSpore beside ranks: which they are, and several of them as one. */
import { basename, dirname, join } from 'node:path';
import { InputError } from '../../errors/index.js';
import { fileStatus, listFolder, type ParallelStrategy, readStrategyFile } from '../../formats/index.js';

/** Written beside rank_0, rank_1, …, of all stages, as `transform_checkpoints` and `auto_trans_ckpt` take it. */
export const STRATEGY_FILE = 'src_strategy.ckpt';

/**
 * @param path a file, or a folder of those of all ranks or stages
 * @throws InputError where nothing is there, a file cannot be read, or two files of a stage differ
 */
export function openStrategy(path: string): ParallelStrategy {
  const status = fileStatus(path);
  if (status === undefined)
    throw new InputError(`${path} does not exist; name a strategy file of MindSpore, or a folder of them.`);
  if (!status.isDirectory()) return readStrategyFile(path);
  const names = strategyFiles(path);
  if (names.length === 0)
    throw new InputError(`${path} holds no strategy file (*strategy*.ckpt or .json); name the file itself.`);
  return mergeStrategies(
    path,
    names.map((name) => readStrategyFile(join(path, name))),
  );
}

/** Of a folder of rank_0, rank_1, …: in it, in its `strategy/`, or in the one beside it, as a training leaves them. */
export function findStrategy(path: string): ParallelStrategy | undefined {
  if (fileStatus(path)?.isDirectory() !== true) return undefined;
  const own = join(path, STRATEGY_FILE);
  if (fileStatus(own)?.isFile() === true) return openStrategy(own);
  const folders = [path, join(path, 'strategy'), join(dirname(join(path, '.')), 'strategy')];
  const found = folders.find(
    (folder) => fileStatus(folder)?.isDirectory() === true && strategyFiles(folder).length > 0,
  );
  return found === undefined ? undefined : openStrategy(found);
}

function strategyFiles(folder: string): string[] {
  return listFolder(folder).filter((name) => /strategy.*\.(ckpt|json)$/i.test(name));
}

/** Every rank writes that of its stage. */
function mergeStrategies(path: string, strategies: readonly ParallelStrategy[]): ParallelStrategy {
  const stages = new Map<number, { readonly layouts: Stage; readonly file: string }>();
  for (const { path: file, stages: own } of strategies)
    for (const [stage, layouts] of own) {
      const other = stages.get(stage);
      if (other === undefined) stages.set(stage, { layouts, file });
      else if (!sameLayouts(other.layouts, layouts))
        throw new InputError(
          `${path}: ${basename(other.file)} and ${basename(file)} are both of stage ${stage} and differ: they are of different ` +
            'trainings. Leave those of one there, or name a file.',
        );
    }
  return { path, stages: new Map([...stages].map(([stage, { layouts }]) => [stage, layouts])) };
}

type Stage = ParallelStrategy['stages'] extends ReadonlyMap<number, infer Layouts> ? Layouts : never;

function sameLayouts(a: Stage, b: Stage): boolean {
  const text = (layouts: Stage): string => JSON.stringify([...layouts].sort(([x], [y]) => (x < y ? -1 : 1)));
  return text(a) === text(b);
}
