/** `--help` of a command as a page of a manual: name, usage, options, notes, examples, exit status, where more is. */
import type { HelpPage, OptionSpec } from '../options.js';
import { chinese } from './chinese.js';
import { examples } from './examples.js';
import type { HelpLanguage } from './help-language.js';

const TITLES = {
  english: {
    usage: 'USAGE',
    options: 'OPTIONS',
    notes: 'NOTES',
    examples: 'EXAMPLES',
    exit: 'EXIT STATUS',
    more: 'SEE ALSO',
    anyOptions: '[options]',
    required: '(required)',
    exitText: '0 done, 1 a failure, 2 wrong input or usage, 130 interrupted (docs/cli.md)',
    colon: ': ',
  },
  chinese: {
    usage: '用法',
    options: '选项',
    notes: '说明',
    examples: '示例',
    exit: '退出码',
    more: '参见',
    anyOptions: '[选项]',
    required: '（必需）',
    exitText: '0 完成，1 失败，2 输入或用法有误，130 被中断（docs/cli.md）',
    colon: '：',
  },
} as const;

/** Documents that tell all of a command; of the others docs/cli.md. */
const DOCUMENTS: Readonly<Record<string, readonly string[]>> = {
  tokenizer: ['docs/tokenizers.md'],
  data: ['docs/data.md'],
  train: ['docs/training.md', 'docs/recipes.md'],
  run: ['docs/migration.md'],
  launch: ['docs/parallel.md'],
  watch: ['docs/watching.md'],
  plan: ['docs/planning.md'],
  convert: ['docs/convert.md'],
  quantize: ['docs/quantization.md'],
  score: ['docs/preference.md'],
  judge: ['docs/judge.md'],
  evaluate: ['docs/evaluation.md'],
  compare: ['docs/evaluation.md'],
  generate: ['docs/generation.md'],
  serve: ['docs/serving.md'],
  bench: ['bench/README.md'],
};

/** "data prepare" of "xinghe data prepare FILES…" */
export function commandName(command: string): string {
  return /^xinghe((?: [a-z][a-z-]*)+)/.exec(command)?.[1]?.trim() ?? '';
}

/** A text of a page in the language; English where there is no other. */
export function translated(text: string, language: HelpLanguage): string {
  return language === 'chinese' ? (chinese.get(text) ?? text) : text;
}

export function formatPage({ help, specs }: HelpPage, language: HelpLanguage): string {
  const { command, summary, notes } = help;
  const titles = TITLES[language];
  const name = commandName(command);
  const say = (text: string): string => translated(text, language);
  const needed = Object.entries(specs)
    .filter(([, { required }]) => required === true)
    .map(([option, spec]) => ` --${option}${placeholder(spec)}`);
  const shown = (examples[name] ?? []).flatMap((each) => [`  # ${each[language]}`, `  ${each.command}`]);
  const documents = [...new Set([...(DOCUMENTS[name.split(' ')[0] ?? ''] ?? []), 'docs/cli.md'])];
  const sections: (readonly [title: string, lines: readonly string[]])[] = [
    [titles.usage, [`  ${command}${needed.join('')} ${titles.anyOptions}`]],
    [titles.options, optionLines(specs, language)],
    [
      titles.notes,
      notes === undefined
        ? []
        : say(notes)
            .split('\n')
            .map((line) => `  ${line}`),
    ],
    [titles.examples, shown],
    [titles.exit, [`  ${titles.exitText}`]],
    [titles.more, [`  ${documents.join(', ')}`]],
  ];
  return [
    `${command}${titles.colon}${say(summary)}`,
    '',
    ...sections.filter(([, lines]) => lines.length > 0).flatMap(([title, lines]) => [title, ...lines, '']),
  ].join('\n');
}

function optionLines(specs: Readonly<Record<string, OptionSpec>>, language: HelpLanguage): string[] {
  const rows = Object.entries(specs).map(([name, spec]) => {
    const help = translated(spec.help, language);
    return {
      left: `--${name}${placeholder(spec)}`,
      right: spec.required === true ? `${help} ${TITLES[language].required}` : help,
    };
  });
  const width = Math.min(34, Math.max(...rows.map(({ left }) => left.length), 0));
  return rows.map(({ left, right }) =>
    left.length > width ? `  ${left}\n  ${' '.repeat(width)}  ${right}` : `  ${left.padEnd(width)}  ${right}`,
  );
}

/** The word for the value, a space before it. */
function placeholder({ kind, value, allowedValues }: OptionSpec): string {
  if (kind === 'flag') return '';
  return ` ${allowedValues?.join('|') ?? value ?? (kind === 'strings' ? 'VALUE…' : 'N')}`;
}
