/**
 * Names as wrappers leave them in a state dict: DistributedDataParallel's `module.`, torch.compile's `_orig_mod.`, FSDP's
 * `_fsdp_wrapped_module.`, PEFT's `base_model.model.` and `.base_layer.`, Lightning's `model.` and the like. They are taken
 * off where what remains is a name that the family knows and the whole is none.
 */
import { InputError } from '../errors/index.js';
import { placeOfView, type TensorView } from '../formats/index.js';

/** Modules that stand around another one, wherever in the tree. */
const AROUND =
  /(^|\.)(module|_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module|_forward_module)\.(?=[^.])/;

/** Of adapters on the way into a state dict of the whole model. */
const PEFT_INSIDE = /\.(base_layer|modules_to_save\.[^.]+)(?=\.)/;

/** In front of the whole model only; a family's own names may begin alike. */
const IN_FRONT = /^(base_model\.model|model|network)\./;

export interface UnwrappedNames {
  readonly tensors: ReadonlyMap<string, TensorView>;
  /** What was taken off, and from how many names. */
  readonly taken: ReadonlyMap<string, number>;
}

/**
 * @param isKnown tells the names of a family's parameters and buffers
 * @throws InputError if two tensors have the same name then
 */
export function unwrapNames(
  named: ReadonlyMap<string, TensorView>,
  isKnown: (name: string) => boolean,
): UnwrappedNames {
  const tensors = new Map<string, TensorView>();
  const sources = new Map<string, string>();
  const taken = new Map<string, number>();
  for (const [name, view] of named) {
    const found = unwrap(name, isKnown);
    const plain = found?.name ?? name;
    const twin = sources.get(plain);
    if (twin !== undefined)
      throw new InputError(
        `${placeOfView(view)}: tensors "${twin}" and "${name}" are the same parameter of the model; remove one.`,
      );
    sources.set(plain, name);
    tensors.set(plain, view);
    for (const piece of found?.taken ?? []) taken.set(piece, (taken.get(piece) ?? 0) + 1);
  }
  return { tensors, taken };
}

/** undefined for a name that is known as it is, or of which no known one remains. */
function unwrap(
  name: string,
  isKnown: (name: string) => boolean,
): { name: string; taken: readonly string[] } | undefined {
  if (isKnown(name)) return undefined;
  const taken: string[] = [];
  let rest = name;
  for (
    let match = AROUND.exec(rest) ?? IN_FRONT.exec(rest);
    ;
    match = AROUND.exec(rest) ?? IN_FRONT.exec(rest)
  ) {
    const inner = PEFT_INSIDE.exec(rest);
    const bare = inner === null ? rest : rest.replace(inner[0], '');
    if (isKnown(bare)) return { name: bare, taken: inner === null ? taken : [...taken, `${inner[0]}.`] };
    if (match === null) return undefined;
    taken.push(match[0].replace(/^\./, ''));
    rest =
      rest.slice(0, match.index) +
      match[0].replace(/[^.].*$/, '') +
      rest.slice(match.index + match[0].length);
  }
}

/** For a note: `"module." (30 names)`. */
export function showTaken(taken: ReadonlyMap<string, number>): string {
  return [...taken].map(([piece, count]) => `${JSON.stringify(piece)} (${count} names)`).join(', ');
}
