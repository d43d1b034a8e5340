/** Patterns with look-aheads, anchors anywhere and word boundaries, as sets of whole texts. */
import { InputError } from '../../../errors/index.js';
import { type CodePointSet, complement } from './code-points.js';
import { isPlain, type Regex } from './regex.js';
import { WORD } from './regex-syntax.js';
import type { Language, LanguageBuilder, LanguageVariable } from './text-language.js';

/** What stands before a place: nothing, a character of a word, or another one. */
type Before = 'start' | 'word' | 'other';
/** The texts that may stand from a place to the end. */
type Rest = (before: Before) => Language;

/** Unrolled where it holds an assertion. */
const MAX_UNROLLED = 64;

/**
 * The texts that the pattern matches from end to end.
 * @param place names the pattern in messages
 * @throws InputError for a large count around an assertion
 */
export function matchedTexts(builder: LanguageBuilder, regex: Regex, place: string): Language {
  return new RegexLanguage(builder, regex, place).from('start', () => builder.empty);
}

/** The texts in which the pattern matches somewhere. */
export function searchedTexts(builder: LanguageBuilder, regex: Regex, place: string): Language {
  const reader = new RegexLanguage(builder, regex, place);
  const after = (before: Before) => reader.from(before, () => builder.all);
  const atStart = after('start');
  const later = after('other');
  if (!reader.usesBoundary) {
    if (later === atStart) return builder.sequence(builder.all, later);
    return builder.or([atStart, builder.sequence(builder.sequence(builder.character, builder.all), later)]);
  }
  const endingIn = (set: CodePointSet) => builder.sequence(builder.all, builder.set(set));
  return builder.or([
    atStart,
    builder.sequence(endingIn(WORD), after('word')),
    builder.sequence(endingIn(complement(WORD)), later),
  ]);
}

/** Each part of a pattern is read with all that comes after it, since a look-ahead may speak about that. */
class RegexLanguage {
  readonly #builder: LanguageBuilder;
  readonly #regex: Regex;
  readonly #place: string;
  readonly usesBoundary: boolean;

  constructor(builder: LanguageBuilder, regex: Regex, place: string) {
    this.#place = place;
    this.#builder = builder;
    this.#regex = regex;
    this.usesBoundary = hasBoundary(regex);
  }

  from(before: Before, rest: Rest): Language {
    return this.#read(this.#regex, before, remembered(rest));
  }

  #read(regex: Regex, before: Before, rest: Rest): Language {
    const builder = this.#builder;
    if (isPlain(regex)) return this.#plain(this.#plainTexts(regex), before, rest);
    switch (regex.kind) {
      case 'sequence':
        return this.#items(regex.items, before, rest);
      case 'choice':
        return builder.or(regex.options.map((option) => this.#read(option, before, rest)));
      case 'repeat':
        return this.#repeat(regex.body, regex.min, regex.max, before, rest);
      case 'start':
        return before === 'start' ? rest(before) : builder.nothing;
      case 'end':
        return builder.and([builder.empty, rest(before)]);
      case 'boundary': {
        const nextIsWord = builder.sequence(builder.set(WORD), builder.all);
        const wanted = (before === 'word') !== regex.isNegated;
        return builder.and([wanted ? builder.not(nextIsWord) : nextIsWord, rest(before)]);
      }
      case 'look-ahead': {
        const seen = this.#read(regex.body, before, () => builder.all);
        return builder.and([regex.isNegated ? builder.not(seen) : seen, rest(before)]);
      }
      case 'set':
        return builder.nothing;
    }
    regex satisfies never;
    return builder.nothing;
  }

  /** Neighbours without assertions are read as one. */
  #items(items: readonly Regex[], before: Before, rest: Rest): Language {
    let at = 0;
    while (at < items.length && isPlain(items[at]!)) at += 1;
    if (at > 0) {
      const texts = items
        .slice(0, at)
        .reduceRight<Language>(
          (tail, item) => this.#builder.sequence(this.#plainTexts(item), tail),
          this.#builder.empty,
        );
      const others = items.slice(at);
      return this.#plain(
        texts,
        before,
        remembered((next) => this.#items(others, next, rest)),
      );
    }
    const [first, ...others] = items;
    if (first === undefined) return rest(before);
    return this.#read(
      first,
      before,
      remembered((next) => this.#items(others, next, rest)),
    );
  }

  #plain(texts: Language, before: Before, rest: Rest): Language {
    const builder = this.#builder;
    const stays = builder.isNullable(texts) ? rest(before) : builder.nothing;
    const some = builder.sequence(builder.character, builder.all);
    if (!this.usesBoundary) {
      const moved = rest('other');
      if (stays === builder.nothing || stays === moved) return builder.sequence(texts, moved);
      return builder.or([stays, builder.sequence(builder.and([texts, some]), moved)]);
    }
    const endingIn = (set: CodePointSet, next: Before) =>
      builder.sequence(builder.and([texts, builder.sequence(builder.all, builder.set(set))]), rest(next));
    return builder.or([stays, endingIn(WORD, 'word'), endingIn(complement(WORD), 'other')]);
  }

  #repeat(body: Regex, min: number, max: number, before: Before, rest: Rest): Language {
    const builder = this.#builder;
    const isEndless = max === Number.POSITIVE_INFINITY;
    if ((isEndless ? min : max) > MAX_UNROLLED) {
      throw new InputError(
        `${this.#place} has a count above ${MAX_UNROLLED} around a look-ahead, an anchor or a word boundary, which is not supported.`,
      );
    }
    const variables = new Map<Before, LanguageVariable>();
    const endless: Rest = (next) => {
      const known = variables.get(next);
      if (known !== undefined) return known;
      const variable = builder.variable();
      variables.set(next, variable);
      variable.target = builder.or([rest(next), this.#read(body, next, endless)]);
      return variable;
    };
    const rounds = (done: number): Rest =>
      remembered((next) => {
        if (isEndless && done === min) return endless(next);
        if (done === max) return rest(next);
        const again = this.#read(body, next, rounds(done + 1));
        return done < min ? again : builder.or([rest(next), again]);
      });
    return rounds(0)(before);
  }

  #plainTexts(regex: Regex): Language {
    const builder = this.#builder;
    switch (regex.kind) {
      case 'set':
        return builder.set(regex.set);
      case 'sequence':
        return regex.items.reduceRight<Language>(
          (tail, item) => builder.sequence(this.#plainTexts(item), tail),
          builder.empty,
        );
      case 'choice':
        return builder.or(regex.options.map((option) => this.#plainTexts(option)));
      case 'repeat':
        return builder.repeat(this.#plainTexts(regex.body), regex.min, regex.max);
      default:
        return builder.nothing;
    }
  }
}

function remembered(rest: Rest): Rest {
  const known = new Map<Before, Language>();
  return (before) => {
    let texts = known.get(before);
    if (texts === undefined) {
      texts = rest(before);
      known.set(before, texts);
    }
    return texts;
  };
}

function hasBoundary(regex: Regex): boolean {
  switch (regex.kind) {
    case 'boundary':
      return true;
    case 'sequence':
      return regex.items.some(hasBoundary);
    case 'choice':
      return regex.options.some(hasBoundary);
    case 'repeat':
    case 'look-ahead':
      return hasBoundary(regex.body);
    default:
      return false;
  }
}
