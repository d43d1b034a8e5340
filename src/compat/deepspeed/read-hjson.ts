/**
 * DeepSpeed's files are Hjson: JSON with comments, commas before a closing bracket or left away at the end of a line, keys and
 * names without quotes, the outermost braces left away. What makes it JSON in the flow form of YAML is added, the rest is read
 * as that.
 */
import { parseYaml, readConfigText } from '../../config/index.js';
import { InputError } from '../../errors/index.js';

/** @throws InputError naming file, line and column; a key that stands twice is a fault, as for DeepSpeed */
export function readHjson(path: string): unknown {
  return parseHjson(readConfigText(path), path);
}

export function parseHjson(text: string, source: string): unknown {
  const plain = withoutComments(text.replace(/^\ufeff/, ''), source);
  if (plain.trim() === '')
    throw new InputError(`${source} is empty; a DeepSpeed file needs at least one key.`);
  const isBraced = /^\s*[{[]/.test(plain);
  return parseYaml(withCommas(isBraced ? plain : `{${plain}\n}`), source, 'JSON');
}

/** Quoted texts, comments, and everything between. */
const PART = /"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|\/\*[\s\S]*?\*\/|\/\*|\/\/[^\n]*|#[^\n]*|[\s\S]/g;

/** Comments become blanks, so that lines and columns stay. */
function withoutComments(text: string, source: string): string {
  let before = '\n';
  return text.replace(PART, (part, offset: number) => {
    // Within a name without quotes they are no comments: a//b.
    const isComment = /^(?:\/[*/]|#)/.test(part) && /[\s,{}[\]:"']/.test(before);
    before = part.slice(-1);
    if (!isComment) return part;
    if (part === '/*')
      throw new InputError(
        `${source}:${text.slice(0, offset).split('\n').length}: the comment /* does not end.`,
      );
    before = ' ';
    return part.replace(/[^\n]/g, ' ');
  });
}

/** A line end stands for a comma between two values. Texts in quotes do not go over line ends. */
function withCommas(text: string): string {
  let next = '';
  const lines = text.split('\n').map((line) => line.trimEnd());
  for (const [index, line] of [...lines.entries()].reverse()) {
    if (line === '') continue;
    if (next !== '' && !/[,:{[]$/.test(line) && !/^[,:}\]]/.test(next)) lines[index] = `${line},`;
    next = line.trimStart();
  }
  return lines.join('\n');
}
