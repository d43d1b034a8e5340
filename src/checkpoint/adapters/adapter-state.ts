/**
 * What a run of PEFT trains, as its state holds it: the parts of an adapter with the adapter's name in theirs
 * (`lora_A.default.weight`), and nothing of the frozen model. So DeepSpeed saves it, and `torch.save` of the trained parameters.
 */
import { InputError } from '../../errors/index.js';
import { adapterKey, PEFT_PREFIX, parseAdapterPart, savedName } from './adapter-names.js';

/**
 * The same tensors under the names of an adapter's own file; undefined where they are no adapter, or the model lies beside it.
 * @throws InputError where several adapters lie in one state
 */
export function adapterOfState<Value>(
  path: string,
  named: ReadonlyMap<string, Value>,
): Map<string, Value> | undefined {
  const names = [...named.keys()];
  const keys = new Set(names.flatMap((name) => adapterKey(name) ?? []));
  if (keys.size === 0 || !names.every((name) => name.startsWith(PEFT_PREFIX))) return undefined;
  if (holdsModel(names)) return undefined;
  const [first, second] = keys;
  if (second !== undefined)
    throw new InputError(
      `${path} holds the adapters ${[...keys].join(', ')}; save ${first} alone with PEFT (save_pretrained), or each of them.`,
    );
  return new Map([...named].map(([name, value]) => [savedName(name), value]));
}

/** Weights that an adapter stands around, by PEFT's names of today or of before 0.6. Their biases may have been trained with it. */
function holdsModel(names: readonly string[]): boolean {
  const parsed = names.map((name) => parseAdapterPart(name));
  const adapted = new Set(parsed.flatMap((part) => (part?.kind === 'part' ? `${part.module}.weight` : [])));
  return names.some((name, index) => {
    const part = parsed[index];
    return (
      /\.(base_layer\.weight$|original_module\.)/.test(name) ||
      (part?.kind === 'whole' && adapted.has(part.parameter))
    );
  });
}
