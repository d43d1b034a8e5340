/** The grammar of a regular expression. */
import type { GrammarBuilder, GrammarNode } from './byte-grammar.js';
import { type CodePointSet, utf8Node } from './code-points.js';
import { parseRegex, type Regex } from './regex-syntax.js';

/** The texts that a pattern matches from end to end. @throws InputError as parseRegex does */
export function regexGrammar(builder: GrammarBuilder, pattern: string): GrammarNode {
  const characters = cachedBySet((set) => utf8Node(builder, set));
  const branches = parseRegex(pattern, 'The pattern');
  return builder.choice(branches.map(({ body }) => regexNode(builder, body, characters)));
}

/** @param character the node of one character out of a set */
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
  }
  regex satisfies never;
  return builder.nothing;
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
