import { InputError } from '../../../errors/index.js';
import type { GrammarBuilder, GrammarNode } from '../byte-grammar.js';
import { byteTextMachine } from './byte-text-machine.js';
import { plainReader } from './character-reader.js';
import { type CodePointSet, utf8Node } from './code-points.js';
import { anchoredBranches, type Regex } from './regex.js';
import { matchedTexts } from './regex-language.js';
import { parseRegex } from './regex-syntax.js';
import { StateLimit } from './state-limit.js';
import { LanguageBuilder } from './text-language.js';
import { textMachine } from './text-machine.js';

/** The texts that a pattern matches from end to end. @throws InputError as parseRegex does */
export function regexGrammar(builder: GrammarBuilder, pattern: string): GrammarNode {
  const checkTime = () => builder.checkTime();
  const regex = parseRegex(pattern, 'The pattern', checkTime);
  const branches = anchoredBranches(regex);
  if (branches !== undefined) {
    const characters = cachedBySet((set) => utf8Node(builder, set));
    return builder.choice(branches.map(({ body }) => regexNode(builder, body, characters)));
  }
  try {
    return machineNode(builder, regex, checkTime);
  } catch (error) {
    if (error instanceof StateLimit)
      throw new InputError(`The pattern cannot be followed: ${error.message}.`);
    throw error;
  }
}

function machineNode(builder: GrammarBuilder, regex: Regex, checkTime: () => void): GrammarNode {
  const languages = new LanguageBuilder(checkTime);
  const texts = textMachine(languages, matchedTexts(languages, regex, 'The pattern'), checkTime);
  if (texts === undefined) return builder.nothing;
  const bounds = { min: 0, max: Number.POSITIVE_INFINITY };
  const machine = byteTextMachine(texts, plainReader(texts.classes), bounds, checkTime);
  return machine === undefined ? builder.nothing : builder.machine(machine);
}

/**
 * @param regex without assertions
 * @param character the node of one character out of a set
 */
export function regexNode(
  builder: GrammarBuilder,
  regex: Regex,
  character: (set: CodePointSet) => GrammarNode,
): GrammarNode {
  switch (regex.kind) {
    case 'set':
      return character(regex.set);
    case 'sequence':
      return builder.sequence(regex.items.map((item) => regexNode(builder, item, character)));
    case 'choice':
      return builder.choice(regex.options.map((option) => regexNode(builder, option, character)));
    case 'repeat':
      return builder.repeat(regexNode(builder, regex.body, character), regex.min, regex.max);
    default:
      throw new Error(`An assertion (${regex.kind}) has no node.`);
  }
}

/** Patterns use the same few classes again and again. */
export function cachedBySet(make: (set: CodePointSet) => GrammarNode): (set: CodePointSet) => GrammarNode {
  const nodes = new Map<string, GrammarNode>();
  return (set) => {
    const key = set.join(' ');
    const node = nodes.get(key) ?? make(set);
    nodes.set(key, node);
    return node;
  };
}
