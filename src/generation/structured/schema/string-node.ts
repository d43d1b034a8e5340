import type { GrammarNode } from '../byte-grammar.js';
import { byteTextMachine } from '../regex/byte-text-machine.js';
import { jsonReader } from '../regex/character-reader.js';
import { anchoredBranches, type RegexBranch } from '../regex/regex.js';
import { regexNode } from '../regex/regex-grammar.js';
import type { SchemaReading } from './schema-grammar.js';
import type { SchemaFields } from './schema-keywords.js';
import { bounded, type StringForm, type StringRules } from './string-texts.js';

/** The strings that all parts allow. A single pattern needs no machine; several, or one with lengths, are intersected. */
export function stringNode(reading: SchemaReading, parts: readonly SchemaFields[]): GrammarNode {
  const { builder, json, texts } = reading;
  const rules = texts.rulesOf(parts);
  if (rules.min > rules.max) return builder.nothing;
  if (rules.forms.length === 0 && rules.excluded.length === 0) return json.stringOf(rules.min, rules.max);
  const branches = branchesOf(rules);
  if (branches !== undefined) return json.quoted(patternNode(reading, branches, rules.forms[0]!));
  const { fields, keyword } = hardest(rules, parts);
  return bounded(fields, keyword, () => {
    const machine = texts.machineOf(texts.languageOf(rules));
    if (machine === undefined) return builder.nothing;
    const bytes = byteTextMachine(machine, jsonReader(machine.classes), rules, () => builder.checkTime());
    return bytes === undefined ? builder.nothing : json.quoted(builder.machine(bytes));
  });
}

function branchesOf({ forms, excluded, min, max }: StringRules): RegexBranch[] | undefined {
  const [form] = forms;
  const isAlone =
    forms.length === 1 && excluded.length === 0 && min === 0 && max === Number.POSITIVE_INFINITY;
  return form !== undefined && isAlone && !form.isNegated ? anchoredBranches(form.regex) : undefined;
}

/** As JSON Schema has it, a pattern may match anywhere in the string unless it is anchored. */
function patternNode(
  { builder, json }: SchemaReading,
  branches: readonly RegexBranch[],
  { matchesAnywhere }: StringForm,
): GrammarNode {
  return builder.choice(
    branches.map(({ body, startsAtStart, endsAtEnd }) =>
      builder.sequence([
        startsAtStart || !matchesAnywhere ? builder.empty : json.anyCharacters,
        regexNode(builder, body, json.characterOf),
        endsAtEnd || !matchesAnywhere ? builder.empty : json.anyCharacters,
      ]),
    ),
  );
}

/** The keyword to name where it is all too much: a count rather than a pattern. */
function hardest(
  { forms }: StringRules,
  parts: readonly SchemaFields[],
): { fields: SchemaFields; keyword: string } {
  for (const keyword of ['maxLength', 'minLength']) {
    const fields = parts.find((part) => part.has(keyword));
    if (fields !== undefined) return { fields, keyword };
  }
  const form = forms.at(-1);
  return { fields: form?.fields ?? parts[0]!, keyword: form?.keyword ?? '!strings' };
}
