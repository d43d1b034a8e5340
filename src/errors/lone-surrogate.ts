/**
 * Half of a surrogate pair, as JSON and YAML can spell (\ud83d without what follows): no character, and no UTF-8 holds it, so that it
 * would become U+FFFD on its way to a tokenizer or a file.
 */
export interface LoneSurrogate {
  /** Keys and places that lead to the text: "messages[0].content"; "" for the value itself. */
  readonly location: string;
  /** The code unit as JSON spells it: "\ud83d". */
  readonly shown: string;
}

/** The escape of a surrogate; a text without one, decoded from UTF-8, spells none. */
const ESCAPE = /\\u[dD][89a-fA-F]|\\U0000[dD][89a-fA-F]/;

/**
 * The first one in a value that was parsed from `text`.
 * @returns undefined where there is none, which the text alone tells as a rule
 */
export function findLoneSurrogate(value: unknown, text: string): LoneSurrogate | undefined {
  if (!ESCAPE.test(text)) return undefined;
  const open: { readonly value: unknown; readonly location: string }[] = [{ value, location: '' }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { location } = next;
    if (typeof next.value === 'string') {
      const shown = loneSurrogateOf(next.value);
      if (shown !== undefined) return { location, shown };
    } else if (Array.isArray(next.value)) {
      for (const [index, item] of next.value.entries())
        open.push({ value: item, location: `${location}[${index}]` });
    } else if (typeof next.value === 'object' && next.value !== null) {
      for (const [key, item] of Object.entries(next.value)) {
        const shown = loneSurrogateOf(key);
        if (shown !== undefined)
          return { location: `the name of a key of ${location || 'the record'}`, shown };
        open.push({ value: item, location: location === '' ? key : `${location}.${key}` });
      }
    }
  }
  return undefined;
}

/** With the flag u a pair is one character, which the class does not hold. */
function loneSurrogateOf(text: string): string | undefined {
  const unit = /[\ud800-\udfff]/u.exec(text)?.[0];
  return unit === undefined ? undefined : `\\u${unit.charCodeAt(0).toString(16)}`;
}

/** "`output` holds \ud83d, half of a surrogate pair and no character". */
export function loneSurrogateProblem({ location, shown }: LoneSurrogate): string {
  return `${location === '' ? 'the text' : `\`${location.slice(0, 80)}\``} holds ${shown}, half of a surrogate pair and no character`;
}
