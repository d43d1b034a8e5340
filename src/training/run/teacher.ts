/** The model whose distribution a run learns: read beside the model that is trained, never trained, in no checkpoint. */
import type { RowSource } from '../../data/index.js';
import { InputError, messageOf } from '../../errors/index.js';
import { formatBytes, formatCount, log } from '../../log/index.js';
import {
  type CausalLm,
  type LoadedModel,
  loadModel,
  openTokenizer,
  tokenizerSource,
} from '../../models/index.js';
import type { Tokenizer } from '../../tokenizers/index.js';
import type { TrainConfig } from './run-config.js';

const KEY = 'training.objective.teacher';

/**
 * In its own dtype, on the device of the run. undefined where the objective has none.
 * @throws InputError for weights that cannot be read, another vocabulary, rows that are too long for it
 */
export function loadTeacher(
  { training: { objective } }: TrainConfig,
  { model: student }: LoadedModel,
  tokenizer: Tokenizer,
  rows: readonly RowSource[],
): LoadedModel | undefined {
  if (objective?.loss !== 'distillation') return undefined;
  const path = objective.teacher;
  const loaded = loadTeacherModel(path, student);
  const { model, architecture } = loaded;
  try {
    const [own, theirs] = [student.shape.vocabSize, model.shape.vocabSize];
    if (own !== theirs)
      throw new InputError(
        `${KEY}: ${path} has a vocabulary of ${theirs} ids, the model one of ${own}; a teacher must know the model's own ids.`,
      );
    checkTokens(path, tokenizer, openTeacherTokenizer(path, architecture));
    const { maxPositions } = model.shape;
    const predictions = Math.max(...rows.map(({ rowLength }) => rowLength)) - 1;
    if (maxPositions !== undefined && predictions > maxPositions)
      throw new InputError(
        `${KEY}: ${path} is made for ${maxPositions} positions, rows have ${predictions} predictions; make shorter rows.`,
      );
  } catch (error) {
    model.dispose();
    throw error;
  }
  log(
    `teacher: ${path}, ${formatCount(model.parameterCount())} parameters in ${model.computeDType}, ${formatBytes(weightBytes(model))}`,
  );
  return loaded;
}

function loadTeacherModel(path: string, { device }: CausalLm): LoadedModel {
  try {
    return loadModel(path, { device, keepIntegers: true });
  } catch (error) {
    throw error instanceof InputError ? new InputError(`${KEY}: ${error.message}`) : error;
  }
}

/** undefined for weights without one, or with one that is not readable. */
function openTeacherTokenizer(
  path: string,
  { tokenizerOptions }: LoadedModel['architecture'],
): Tokenizer | undefined {
  try {
    return openTokenizer(tokenizerSource(path), tokenizerOptions);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    log(
      `warning: teacher: ${messageOf(error)} Only the size of its vocabulary is compared with the model's.`,
    );
    return undefined;
  }
}

/** @throws InputError where an id is another token */
function checkTokens(path: string, own: Tokenizer, theirs: Tokenizer | undefined): void {
  if (theirs === undefined) return;
  const known = Math.min(own.vocabSize, theirs.vocabSize);
  for (let id = 0; id < known; id++) {
    const [mine, other] = [own.idToToken(id), theirs.idToToken(id)];
    if (mine !== other)
      throw new InputError(
        `${KEY}: ${path} has another vocabulary: id ${id} is ${JSON.stringify(other)} there and ${JSON.stringify(mine)} here; ` +
          "a teacher must know the model's own ids.",
      );
  }
}

export function weightBytes(model: CausalLm): number {
  return model.namedParameters().reduce((sum, [, { numBytes }]) => sum + numBytes, 0);
}
