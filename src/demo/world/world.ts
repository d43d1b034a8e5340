/** The demo's invented world: entities, their facts and sums, some of them held out. */
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

interface KindSize {
  readonly entities: number;
  /** Properties that each of them has, the first of the list. */
  readonly attributes: number;
  /** Values that a property can take, at least 4. */
  readonly values: number;
}

/**
 * Many entities with few properties each: a model that has seen a question about many names learns what the question
 * asks for; with few names it learns the pairs by heart.
 */
const sizes: Readonly<Record<WorldSize, Readonly<Record<EntityKind, KindSize>>>> = {
  full: {
    person: { entities: 20, attributes: 5, values: 6 },
    animal: { entities: 12, attributes: 3, values: 4 },
    object: { entities: 12, attributes: 3, values: 4 },
    place: { entities: 8, attributes: 2, values: 4 },
  },
  quick: {
    person: { entities: 20, attributes: 3, values: 4 },
    animal: { entities: 0, attributes: 0, values: 4 },
    object: { entities: 0, attributes: 0, values: 4 },
    place: { entities: 0, attributes: 0, values: 4 },
  },
};

const heldOutShare = 0.25;

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
  const inUse = entityKinds.flatMap((kind) =>
    attributes.filter((attribute) => attribute.kind === kind).slice(0, counts[kind].attributes),
  );
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
 * Holds out all facts of a quarter of the entities of each kind: the texts tell of them, no dialogue names them. Single
 * facts would not do: a model that never hears of Lan's job learns from the dialogues not to speak of Lan's job. Every
 * value stays the answer about somebody else.
 */
function holdOutFacts(facts: readonly Statement[], random: SeededRandom): Fact[] {
  const entities = [...new Set(facts.map(({ entity }) => entity))];
  const draw = (): Set<Entity> =>
    new Set(
      entityKinds.flatMap((kind) => {
        const ofKind = entities.filter((entity) => entity.kind === kind);
        return random.sample(ofKind, Math.round(ofKind.length * heldOutShare));
      }),
    );
  const values = (among: readonly Statement[]): number =>
    new Set(among.map(({ attribute, value }) => `${attribute.id} ${value.en}`)).size;
  let heldOut = draw();
  while (values(facts.filter(({ entity }) => !heldOut.has(entity))) < values(facts)) heldOut = draw();
  return facts.map((fact) => ({ ...fact, heldOut: heldOut.has(fact.entity) }));
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
