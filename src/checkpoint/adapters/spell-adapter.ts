/** Halves of adapters that stay apart, in one of the published spellings (adapter-names.ts). */
import { transpose } from '../../formats/index.js';
import type { ChainTensor, NamedViews } from '../convert/chain-tensor.js';
import type { NameScheme } from '../name-scheme.js';
import { adapterHalf } from './adapter-halves.js';
import { ADAPTER_NAMINGS, withoutAdapterKey } from './adapter-names.js';

export type AdapterNaming = 'peft' | 'mindpet' | 'telechat';

/** As the pairs stand in ADAPTER_NAMINGS. */
const NAMING_ORDER: readonly AdapterNaming[] = ['peft', 'mindpet', 'telechat'];

/**
 * @param halves by own path
 * @param sourceNames of the halves, by own path: their spelling is kept where none is asked for
 */
export function renameAdapter(
  halves: NamedViews,
  scheme: NameScheme,
  sourceNames: ReadonlyMap<string, string>,
  spelling?: AdapterNaming,
): NamedViews {
  return new Map(
    [...halves].map(([path, tensor]) =>
      renameHalf(path, tensor, scheme, sourceNames.get(path) ?? '', spelling),
    ),
  );
}

function renameHalf(
  path: string,
  tensor: ChainTensor,
  scheme: NameScheme,
  sourceName: string,
  wanted: AdapterNaming | undefined,
): [name: string, tensor: ChainTensor] {
  const { view } = tensor;
  const half = adapterHalf(path);
  if (half === undefined) throw new TypeError(`${path} is no half of an adapter`);
  const layer = `${half.layer}.weight`;
  const [layerName = layer] = scheme.toPublished(new Map([[layer, view]])).keys();
  const spelling =
    wanted === undefined
      ? ADAPTER_NAMINGS.find(({ suffix }) => withoutAdapterKey(sourceName).endsWith(suffix))
      : ADAPTER_NAMINGS.filter(({ part }) => part === half.part)[NAMING_ORDER.indexOf(wanted)];
  if (spelling === undefined) throw new TypeError(`${sourceName} has no spelling`);
  const name = `${spelling.prefix}${layerName.replace(/\.weight$/, '')}${spelling.suffix}`;
  return [name, { ...tensor, view: spelling.transposed ? transpose(view) : view }];
}
