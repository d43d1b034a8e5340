import { InputError } from '../../errors/index.js';
import { type Attribute, attributes } from './attributes.js';
import { type EntityKind, type EntityName, entityKinds, entityNames, type Term } from './lexicon.js';
import { SeededRandom } from './random.js';

export type WorldSize = 'full' | 'quick';

export interface Entity {
  readonly kind: EntityKind;
  readonly name: EntityName;
}

/** One entity x attribute combination and what is true of it. */
export interface Fact {
  readonly entity: Entity;
  readonly attribute: Attribute;
  readonly value: Term;
  /** Told in the pre-training text, but never asked or answered in the dialogues, in either language. */
  readonly heldOut: boolean;
}

type Statement = Omit<Fact, 'heldOut'>;

/** a + b or a - b of single digits. */
export interface Sum {
  readonly kind: 'plus' | 'minus';
  readonly a: number;
  readonly b: number;
  readonly result: number;
  /** As for facts: in the pre-training text, never in the dialogues. */
  readonly heldOut: boolean;
}

export interface World {
  readonly seed: number;
  readonly size: WorldSize;
  readonly entities: readonly Entity[];
  readonly attributes: readonly Attribute[];
  readonly facts: readonly Fact[];
  readonly sums: readonly Sum[];
  /** The closed list of an attribute's values in this world: what the wrong options are drawn from. */
  valuesOf(attribute: Attribute): readonly Term[];
}

/** How many entities of each kind there are, and how many values their attributes take (at least 4). */
const sizes: Readonly<Record<WorldSize, Readonly<Record<EntityKind, { entities: number; values: number }>>>> =
  {
    full: {
      person: { entities: 20, values: 8 },
      animal: { entities: 12, values: 6 },
      object: { entities: 12, values: 6 },
      place: { entities: 8, values: 4 },
    },
    quick: {
      person: { entities: 10, values: 4 },
      animal: { entities: 0, values: 4 },
      object: { entities: 0, values: 4 },
      place: { entities: 0, values: 4 },
    },
  };

const heldOutShare = 0.3;

/**
 * A small world, drawn from the seed. The values of an attribute are dealt evenly, so that no value is likelier
 * than another before the entity is known.
 *
 * @throws InputError if the seed is not an integer of 0 or more.
 */
export function createWorld(options: { seed: number; size: WorldSize }): World {
  const { seed, size } = options;
  if (!Number.isSafeInteger(seed) || seed < 0)
    throw new InputError(`demo: the seed must be an integer of 0 or more, found ${seed}`);
  const random = new SeededRandom(seed, 'world');
  const counts = sizes[size];
  const entities = entityKinds.flatMap((kind) =>
    entityNames[kind].slice(0, counts[kind].entities).map((name): Entity => ({ kind, name })),
  );
  const inUse = attributes.filter((attribute) => counts[attribute.kind].entities > 0);
  const values = new Map(
    inUse.map((attribute) => [attribute, random.sample(attribute.values, counts[attribute.kind].values)]),
  );
  const valuesOf = (attribute: Attribute): readonly Term[] => values.get(attribute) ?? [];
  const facts = inUse.flatMap((attribute) => {
    const owners = random.shuffle(entities.filter((entity) => entity.kind === attribute.kind));
    const list = valuesOf(attribute);
    return owners.map((entity, index) => ({ entity, attribute, value: list[index % list.length]! }));
  });
  return {
    seed,
    size,
    entities,
    attributes: inUse,
    facts: holdOutFacts(facts, random),
    sums: createSums(random),
    valuesOf,
  };
}

/**
 * Holds out about 30 % of the combinations. Of every entity at least half of the attributes stay in the dialogues,
 * and every value of every attribute stays there as the answer about some other entity: a held-out question is
 * new as a combination, in none of its parts.
 */
function holdOutFacts(facts: readonly Statement[], random: SeededRandom): Fact[] {
  const count = (among: readonly Statement[], matches: (fact: Statement) => boolean): number =>
    among.filter(matches).length;
  const target = Math.round(facts.length * heldOutShare);
  let kept = facts;
  for (const fact of random.shuffle(facts)) {
    if (facts.length - kept.length === target) break;
    const ofEntity = (other: Statement): boolean => other.entity === fact.entity;
    const ofValue = (other: Statement): boolean =>
      other.attribute === fact.attribute && other.value === fact.value;
    if (count(kept, ofEntity) - 1 < count(facts, ofEntity) / 2 || count(kept, ofValue) < 2) continue;
    kept = kept.filter((other) => other !== fact);
  }
  const trained = new Set(kept);
  return facts.map((fact) => ({ ...fact, heldOut: !trained.has(fact) }));
}

/** All single-digit sums and differences; 15 % are held out, never the same pair the other way round. */
function createSums(random: SeededRandom): Sum[] {
  const digits = Array.from({ length: 10 }, (_, digit) => digit);
  const heldOutPairs = new Set<string>();
  const sums = (['plus', 'minus'] as const).flatMap((kind) => {
    const all = digits.flatMap((a) =>
      digits
        .filter((b) => kind === 'plus' || b <= a)
        .map((b) => ({ kind, a, b, result: kind === 'plus' ? a + b : a - b })),
    );
    const pairs = random.shuffle(all.filter(({ a, b }) => b <= a && b > 0));
    for (const { a, b } of pairs.slice(0, 10)) {
      heldOutPairs.add(`${kind} ${a} ${b}`);
      if (kind === 'plus') heldOutPairs.add(`${kind} ${b} ${a}`);
    }
    return all;
  });
  return sums.map((sum) => ({ ...sum, heldOut: heldOutPairs.has(`${sum.kind} ${sum.a} ${sum.b}`) }));
}
