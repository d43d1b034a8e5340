// Makes src/persona/template/template.jsonl of the hand-written questions in src/persona/template/pieces/. The reference answers are
// composed for a persona of ours (reference.json there). Needs a build: npm run build && node tools/make-persona-template.mjs
// --check: says whether the file is up to date, and writes nothing.
import { readFileSync, writeFileSync } from 'node:fs';
import { parse } from 'yaml';
import { composeAnswer, readAttributes } from '../dist/persona/index.js';

const folder = new URL('../src/persona/template/', import.meta.url);
const persona = await readAttributes(new URL('pieces/reference.json', folder).pathname);

/** @param {string} block */
function* linesOf(block) {
  for (const line of block.split('\n')) {
    const text = line.trim();
    if (text === '') continue;
    const heldOut = text.startsWith('* ');
    yield { text: heldOut ? text.slice(2) : text, heldOut };
  }
}

/** @param {string} text @param {string} sign */
function cut(text, sign) {
  const at = text.indexOf(sign);
  if (at < 0) throw new Error(`no "${sign.trim()}" in ${text}`);
  return [text.slice(0, at).trim(), text.slice(at + sign.length).trim()];
}

/** @param {string} text "name, age" */
const names = (text) => text.split(',').map((name) => name.trim());

const lines = [];
const seen = new Set();
for (const language of /** @type {const} */ (['zh', 'en'])) {
  const pieces = parse(readFileSync(new URL(`pieces/${language}.yaml`, folder), 'utf8'));
  const counts = new Map();
  /** @param {string} kind @param {string} group @param {object} line */
  const add = (kind, group, { input, heldOut, ...rest }) => {
    const name = `${language}/${group}`;
    const number = (counts.get(name) ?? 0) + 1;
    counts.set(name, number);
    const line = { id: `${name}/${number}`, language, kind, held_out: heldOut, ...rest, input };
    const key = JSON.stringify([input, line.turns]);
    if (seen.has(key)) throw new Error(`twice: ${input}`);
    seen.add(key);
    const { id, asks, premise, denies } = line;
    lines.push({ ...line, target: composeAnswer(persona, { id, language, asks, premise, denies }) });
  };
  for (const kind of ['questions', 'unset'])
    for (const [asked, block] of Object.entries(pieces[kind]))
      for (const { text, heldOut } of linesOf(block))
        add(kind === 'questions' ? 'direct' : 'unset', asked, { input: text, heldOut, asks: [asked] });
  for (const { text, heldOut } of linesOf(pieces.compound)) {
    const [asks, input] = cut(text, ' = ');
    add('compound', 'compound', { input, heldOut, asks: names(asks) });
  }
  for (const { text, heldOut } of linesOf(pieces.trick)) {
    const [head, input] = cut(text, ' = ');
    const [asked, premise] = cut(head, ' : ');
    add('trick', 'trick', { input, heldOut, asks: [asked], premise });
  }
  for (const { text, heldOut } of linesOf(pieces.attack)) {
    const [denies, input] = cut(text, ' = ');
    add('attack', 'attack', { input, heldOut, asks: [], ...(denies !== '-' && { denies }) });
  }
  for (const { text, heldOut } of linesOf(pieces.talk)) {
    const turns = text.split(' / ').map((turn) => {
      const [asked, input] = cut(turn, ' : ');
      return { input, asks: [asked] };
    });
    const last = turns.pop();
    add('talk', 'talk', { input: last.input, heldOut, asks: last.asks, turns });
  }
}
const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
const target = new URL('template.jsonl', folder);
if (process.argv.includes('--check')) {
  const isSame = readFileSync(target, 'utf8') === text;
  console.error(isSame ? 'the template is up to date' : 'the template differs from its pieces');
  process.exit(isSame ? 0 : 1);
}
writeFileSync(target, text);
console.error(`${lines.length} questions, ${lines.filter((line) => line.held_out).length} of them held out`);
