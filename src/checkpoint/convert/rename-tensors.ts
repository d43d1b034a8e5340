/** The link `spell`: weights and optimiser states under the names of the output's spelling, fused where it fuses. */
import { InputError } from '../../errors/index.js';
import type { TensorView } from '../../formats/index.js';
import { adapterHalf, onlyHalves, withoutHalves } from '../adapters/adapter-halves.js';
import type { ModelTensors } from '../model-tensors.js';
import type { NameScheme } from '../name-scheme.js';
import type { TensorNaming, WeightTables } from '../weight-tables.js';
import type { ChainTensor, NamedViews } from './chain-tensor.js';

/** @param naming default: the source's. @throws InputError if the family does not have it */
export function schemeOf(
  source: ModelTensors,
  { schemes }: WeightTables,
  naming: TensorNaming | undefined,
): NameScheme {
  const wanted = naming ?? source.naming;
  const scheme = schemes.get(wanted);
  if (scheme !== undefined) return scheme;
  throw new InputError(
    `this family has no ${wanted} spelling of its tensors; there are ${[...schemes.keys()].join(', ')}.`,
  );
}

/** What the source tells of its spelling. */
export interface SourceNaming {
  /** By own path: names to keep, as some files leave a prefix away. None: all are spelled anew. */
  readonly names: ReadonlyMap<string, string>;
  /** By own path: what a weight was multiplied with. */
  readonly factors: ReadonlyMap<string, number>;
}

/**
 * @param weights by own path, without halves of adapters
 * @throws InputError if a part of a fused tensor is not there, differs from the others, or has an adapter to be merged
 */
export function renameTensors(weights: NamedViews, scheme: NameScheme, source: SourceNaming): NamedViews {
  const spelled = new Map<string, ChainTensor>();
  for (const [schemeName, view] of scheme.toPublished(viewsOf(weights))) {
    const paths = scheme.pathsOf(schemeName);
    const [first = schemeName] = paths;
    const name = source.names.get(first) ?? schemeName;
    const { update, addend, rows, dtype = view.dtype } = weights.get(first) ?? {};
    if (paths.length > 1 && paths.some((path) => isChanged(weights.get(path))))
      throw new InputError(
        `${name} holds ${paths.join(', ')} in one tensor, into which an adapter cannot be merged; merge with --names published ` +
          'first, then convert the names.',
      );
    const factor = (scheme.factors?.get(first) ?? 1) / (source.factors.get(first) ?? 1);
    spelled.set(name, {
      view,
      dtype,
      paths,
      ...(update !== undefined && { update }),
      ...(addend !== undefined && { addend }),
      ...(rows !== undefined && { rows }),
      ...(factor !== 1 && { factor }),
    });
  }
  return spelled;
}

/** Does an adapter change it? */
function isChanged(tensor: ChainTensor | undefined): boolean {
  return (tensor?.update ?? tensor?.addend ?? tensor?.rows) !== undefined;
}

/** Optimiser states under the names of their parameters. @param state by own path, those of adapters too */
export function renameState(
  state: ReadonlyMap<string, TensorView>,
  scheme: NameScheme,
  { names }: SourceNaming,
): Map<string, TensorView> {
  const spelled = new Map<string, TensorView>();
  for (const [name, view] of scheme.toPublished(withoutHalves(state))) {
    const [path = name] = scheme.pathsOf(name);
    spelled.set(names.get(path) ?? name, view);
  }
  for (const [path, view] of onlyHalves(state)) {
    const half = adapterHalf(path);
    if (half === undefined) continue;
    const [layerName = path] = scheme.toPublished(new Map([[`${half.layer}.weight`, view]])).keys();
    spelled.set(`${layerName.replace(/\.weight$/, '')}.mindpet_delta_lora_${half.part.at(-1)}`, view);
  }
  return spelled;
}

function viewsOf(tensors: NamedViews): Map<string, TensorView> {
  return new Map([...tensors].map(([name, { view }]) => [name, view] as const));
}
