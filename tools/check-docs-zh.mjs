// Checks that each page of docs/zh says what its English page says, as far as a program can tell: the same code blocks (comments may
// be translated), headings of the same levels in the same order, tables of the same size, the same inline code, and links that
// lead somewhere. Prints each breach; exit code 1 if there is any.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const docs = join(dirname(fileURLToPath(import.meta.url)), '..', 'docs');

/** @param {string} text @returns {string[]} fenced and indented blocks without their comments */
export function codeBlocks(text) {
  const fenced = [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```/gm)].map(
    ([, language = '', body = '']) => `${language}\n${withoutComments(body)}`,
  );
  const prose = text.replace(/^```[\s\S]*?^```/gm, '');
  const indented = [...prose.matchAll(/(?:^\n(?: {4}[^\s-][^\n]*\n)+)/gm)].map(([body]) =>
    withoutComments(body),
  );
  return [...fenced, ...indented];
}

/** @param {string} text */
function withoutComments(text) {
  return text
    .split('\n')
    .map((line) => line.replace(/(?:^|\s+)(?:#|\/\/)\s.*$/, '').trimEnd())
    .filter((line) => line !== '')
    .join('\n');
}

/** @param {string} text @returns {string} the levels, one after the other */
export function headingLevels(text) {
  const prose = text.replace(/^```[\s\S]*?^```/gm, '');
  return [...prose.matchAll(/^(#+) /gm)].map(([, marks = '']) => marks.length).join(' ');
}

/** @param {string} text @returns {string} rows of each table */
export function tableSizes(text) {
  return [...text.matchAll(/(?:^\|.*\n)+/gm)].map(([table]) => table.trimEnd().split('\n').length).join(' ');
}

/** @param {string} text @returns {Set<string>} */
export function inlineCode(text) {
  const prose = text.replace(/^```[\s\S]*?^```/gm, '');
  // A code span may go over the end of a line.
  return new Set([...prose.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code.replace(/\s+/g, ' ')));
}

/** @param {string} english @param {string} chinese @returns {string[]} how they differ */
export function differences(english, chinese) {
  const found = [];
  const [theirs, ours] = [codeBlocks(english), codeBlocks(chinese)];
  if (theirs.length !== ours.length) found.push(`${ours.length} code blocks, in English ${theirs.length}`);
  else
    for (const [index, block] of theirs.entries())
      if (block !== ours[index])
        found.push(`code block ${index + 1} is another: ${block.split('\n')[1] ?? ''}`);
  for (const [what, of] of /** @type {const} */ ([
    ['levels of headings', headingLevels],
    ['rows of tables', tableSizes],
  ]))
    if (of(english) !== of(chinese)) found.push(`${what}: ${of(chinese)}; in English: ${of(english)}`);
  const codes = inlineCode(chinese);
  for (const code of inlineCode(english)) if (!codes.has(code)) found.push(`\`${code}\` is missing`);
  return found;
}

/** @param {string} text @returns {Set<string>} what a link may name behind # */
function anchors(text) {
  const prose = text.replace(/^```[\s\S]*?^```/gm, '');
  const slug = (/** @type {string} */ title) =>
    title
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(/\s/g, '-');
  return new Set([...prose.matchAll(/^#+ (.*)$/gm)].map(([, title = '']) => slug(title)));
}

/** @param {string} folder @param {string} name @returns {string[]} links of a page that lead nowhere */
export function brokenLinks(folder, name) {
  const text = readFileSync(join(folder, name), 'utf8').replace(/^```[\s\S]*?^```/gm, '');
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => target)
    .filter((target) => {
      if (/^[a-z]+:/.test(target)) return false;
      const [path = '', anchor] = target.split('#');
      const file = path === '' ? join(folder, name) : join(folder, path);
      if (!existsSync(file)) return true;
      return anchor !== undefined && !anchors(readFileSync(file, 'utf8')).has(anchor);
    })
    .map((target) => `the link ${target} leads nowhere`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  let count = 0;
  const pages = readdirSync(join(docs, 'zh')).filter((name) => name.endsWith('.md'));
  for (const name of pages) {
    const english = join(docs, name);
    if (!existsSync(english)) {
      count += 1;
      console.error(`docs/zh/${name}: there is no docs/${name}`);
      continue;
    }
    const chinese = readFileSync(join(docs, 'zh', name), 'utf8');
    const breaches = [
      ...differences(readFileSync(english, 'utf8'), chinese),
      ...brokenLinks(join(docs, 'zh'), name),
    ];
    for (const text of breaches) {
      count += 1;
      console.error(`docs/zh/${name}: ${text}`);
    }
  }
  console.error(`check-docs-zh: ${pages.length} pages, ${count} breaches`);
  process.exit(count === 0 ? 0 : 1);
}
