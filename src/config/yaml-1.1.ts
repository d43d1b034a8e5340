/** Plain words and numbers as PyYAML reads them (YAML 1.1), where YAML 1.2 reads them otherwise. Source: PyYAML's resolver.py. */
import type { ScalarTag } from 'yaml';

const scalar = (tag: string, test: RegExp, resolve: (text: string) => unknown): ScalarTag => ({
  tag: `tag:yaml.org,2002:${tag}`,
  default: true,
  test,
  resolve,
});

const bare = (text: string): string => text.replaceAll('_', '');

/** 0b101, 0123, 0x1f with a sign and underscores. */
function ofBase(text: string, base: number, mark: number): number {
  const digits = bare(text).replace(/^[-+]/, '').slice(mark);
  const size = digits === '' ? 0 : Number.parseInt(digits, base);
  return text.startsWith('-') ? -size : size;
}

/** 1:30 is 90: digits of base 60. */
function sexagesimal(text: string): number {
  const size = bare(text)
    .replace(/^[-+]/, '')
    .split(':')
    .reduce((sum, part) => sum * 60 + Number(part), 0);
  return text.startsWith('-') ? -size : size;
}

/**
 * Laid over the core schema. Numbers such as 1e-5 and 1.5e5, which PyYAML takes for text, stay numbers: no published key wants
 * a text there.
 */
export const yaml11Tags: readonly ScalarTag[] = [
  scalar('bool', /^(?:yes|Yes|YES|on|On|ON)$/, () => true),
  scalar('bool', /^(?:no|No|NO|off|Off|OFF)$/, () => false),
  scalar('int', /^[-+]?0b[01_]+$/, (text) => ofBase(text, 2, 2)),
  scalar('int', /^[-+]?0[0-7_]+$/, (text) => ofBase(text, 8, 1)),
  scalar('int', /^[-+]?0x[0-9a-fA-F_]+$/, (text) => ofBase(text, 16, 2)),
  scalar('int', /^[-+]?[1-9][0-9_]*$/, (text) => Number(bare(text))),
  scalar('int', /^[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+$/, sexagesimal),
  scalar('float', /^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*$/, sexagesimal),
  scalar('float', /^[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?$/, (text) =>
    Number(bare(text)),
  ),
  // 08 and 0o17 are no octal numbers of YAML 1.1.
  scalar('str', /^[-+]?(?:0[0-9_]+|0o[0-9]+)$/, (text) => text),
];
