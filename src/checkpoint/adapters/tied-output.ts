/** Adapters on models whose output projection is the embedding: one table cannot become two. */
import { InputError } from '../../errors/index.js';
import { sameBytes, type TensorView } from '../../formats/index.js';
import type { NameTable } from '../name-table.js';
import type { AdapterFile } from './adapter-file.js';

/**
 * @param parameters of the model, by own path
 * @param hasTable is this the model's own table? Adapters keep copies of frozen ones
 * @returns the adapter without an output projection that is the embedding again
 * @throws InputError if embedding and output would differ
 */
export function withTiedOutput(
  file: AdapterFile,
  names: NameTable,
  parameters: ReadonlyMap<string, unknown>,
  hasTable: (view: TensorView) => boolean,
): AdapterFile {
  if (names.ends === undefined || !names.isTied(parameters)) return file;
  const { embedding: embeddingPath, head: headPath = '' } = names.ends;
  const { path, layers, whole, tensors } = file;
  const viewOf = (ownPath: string): TensorView | undefined =>
    tensors.get(whole.get(`${ownPath}.weight`) ?? '');
  const [embedding, output] = [viewOf(embeddingPath), viewOf(headPath)];
  const refuse = (problem: string): never => {
    throw new InputError(
      `${path}: this model's output projection is its embedding, but the adapter ${problem}; untie the model before it is ` +
        'trained, or train both alike.',
    );
  };
  if (layers.has(headPath)) refuse('adapts the output projection alone');
  if (layers.get(embeddingPath)?.parts.embeddingA !== undefined) refuse('adapts the embedding alone');
  const isChanged = (view: TensorView | undefined): view is TensorView =>
    view !== undefined && !hasTable(view);
  if (isChanged(embedding) || isChanged(output)) {
    if (embedding === undefined || output === undefined || !sameBytes(embedding, output))
      refuse('holds another table for one of the two');
  }
  return { ...file, whole: new Map([...whole].filter(([ownPath]) => ownPath !== names.headWeight)) };
}
