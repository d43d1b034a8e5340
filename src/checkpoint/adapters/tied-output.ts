/** Adapters on models whose output projection is the embedding: one table cannot become two. */
import { InputError } from '../../errors/index.js';
import { sameBytes, type TensorView } from '../../formats/index.js';
import type { AdapterFile } from './adapter-file.js';

const [EMBEDDING, OUTPUT] = ['embedTokens', 'lmHead'];

/**
 * @param isTied the model has no output projection of its own
 * @param hasTable is this the model's own table? Adapters keep copies of frozen ones
 * @returns the adapter without an output projection that is the embedding again
 * @throws InputError if embedding and output would differ
 */
export function withTiedOutput(
  file: AdapterFile,
  isTied: boolean,
  hasTable: (view: TensorView) => boolean,
): AdapterFile {
  if (!isTied) return file;
  const { path, layers, whole, tensors } = file;
  const viewOf = (own: string): TensorView | undefined => tensors.get(whole.get(`${own}.weight`) ?? '');
  const [embedding, output] = [viewOf(EMBEDDING ?? ''), viewOf(OUTPUT ?? '')];
  const refuse = (problem: string): never => {
    throw new InputError(
      `${path}: this model's output projection is its embedding, but the adapter ${problem}; untie the model before it is ` +
        'trained, or train both alike.',
    );
  };
  if (layers.has(OUTPUT ?? '')) refuse('adapts the output projection alone');
  if (layers.get(EMBEDDING ?? '')?.parts.embeddingA !== undefined) refuse('adapts the embedding alone');
  const isChanged = (view: TensorView | undefined): view is TensorView =>
    view !== undefined && !hasTable(view);
  if (isChanged(embedding) || isChanged(output)) {
    if (embedding === undefined || output === undefined || !sameBytes(embedding, output))
      refuse('holds another table for one of the two');
  }
  return { ...file, whole: new Map([...whole].filter(([own]) => own !== `${OUTPUT}.weight`)) };
}
