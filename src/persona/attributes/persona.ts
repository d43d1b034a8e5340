/** Who an assistant is to be: its attributes, in the order of their table. */
import { type AttributeKind, kindOfName, type Language, plainName } from './attribute-kinds.js';

export interface PersonaAttribute {
  /** As in the table: "姓名|名字|称呼". */
  readonly key: string;
  readonly names: readonly string[];
  /** As in the table; alternatives, such as one for each language, are parted by "|". */
  readonly value: string;
  readonly values: readonly string[];
  /** Undefined for one that is the user's own. */
  readonly kind: AttributeKind | undefined;
}

export class Persona {
  readonly attributes: readonly PersonaAttribute[];
  readonly #byName = new Map<string, PersonaAttribute>();

  constructor(attributes: readonly PersonaAttribute[]) {
    this.attributes = attributes;
    for (const attribute of attributes) {
      for (const name of attribute.names) this.#byName.set(plainName(name), attribute);
      if (attribute.kind !== undefined) this.#byName.set(attribute.kind, attribute);
    }
  }

  /** @param asked a kind, or a name of the attribute; undefined: it is not set */
  find(asked: string): PersonaAttribute | undefined {
    const kind = kindOfName(asked);
    return this.#byName.get(kind ?? plainName(asked)) ?? this.#byName.get(plainName(asked));
  }

  /** The value in a language where there are alternatives: the first with signs of it, else the first. */
  valueIn(attribute: PersonaAttribute, language: Language): string {
    const isHan = (text: string): boolean => /\p{Script=Han}/u.test(text);
    const own = attribute.values.find((value) => isHan(value) === (language === 'zh'));
    return own ?? attribute.values[0] ?? attribute.value;
  }
}

export function personaAttribute(key: string, value: string): PersonaAttribute {
  const names = key.split('|').map((name) => name.trim());
  const kind = names.map(kindOfName).find((found) => found !== undefined);
  const values = value
    .split('|')
    .map((each) => each.trim())
    .filter((each) => each !== '');
  return { key, names, value, values, kind };
}
