/**
 * Formulas for markdown-it: `$…$` and `\(…\)` in a line, `$$…$$` and `\[…\]` in a line or over several. Each becomes an
 * element whose text is the formula and whose class says how it is set; KaTeX comes later, and only where there is one.
 */
import type MarkdownIt from 'markdown-it';

type InlineRule = Parameters<MarkdownIt['inline']['ruler']['before']>[2];
type BlockRule = Parameters<MarkdownIt['block']['ruler']['before']>[2];

export function addMathRules(markdown: MarkdownIt): void {
  // Before `escape`, which would take the backslash of `\(`.
  markdown.inline.ruler.before('escape', 'math', inlineMath);
  markdown.block.ruler.before('fence', 'math', blockMath, { alt: ['paragraph', 'blockquote', 'list'] });
  const { escapeHtml } = markdown.utils;
  markdown.renderer.rules.math_inline = (tokens, index) =>
    `<span class="math">${escapeHtml(tokens[index]?.content ?? '')}</span>`;
  markdown.renderer.rules.math_block = (tokens, index) =>
    `<div class="math display">${escapeHtml(tokens[index]?.content.trim() ?? '')}</div>\n`;
  markdown.renderer.rules.math_display = (tokens, index) =>
    `<span class="math display">${escapeHtml(tokens[index]?.content ?? '')}</span>`;
}

const DELIMITERS = [
  { open: '$$', close: '$$', type: 'math_display' },
  { open: '\\[', close: '\\]', type: 'math_display' },
  { open: '\\(', close: '\\)', type: 'math_inline' },
  { open: '$', close: '$', type: 'math_inline' },
] as const;

const inlineMath: InlineRule = (state, silent) => {
  const delimiter = DELIMITERS.find(({ open }) => state.src.startsWith(open, state.pos));
  if (delimiter === undefined) return false;
  const { open, close, type } = delimiter;
  const start = state.pos + open.length;
  const end = findClose(state.src, close, start, state.posMax);
  if (end < 0) return false;
  const content = state.src.slice(start, end);
  if (content.trim() === '' || (open === '$' && !isDollarMath(state.src, start, end))) return false;
  if (!silent) {
    const token = state.push(type, 'math', 0);
    token.content = content;
    token.markup = open;
  }
  state.pos = end + close.length;
  return true;
};

function findClose(text: string, close: string, from: number, limit: number): number {
  for (let at = text.indexOf(close, from); at >= 0 && at < limit; at = text.indexOf(close, at + 1))
    if (close.startsWith('\\') || text[at - 1] !== '\\') return at;
  return -1;
}

/** Pandoc's rule, by which prices stay prices: no space just within, no digit after. */
function isDollarMath(text: string, start: number, end: number): boolean {
  return !/\s/.test(text[start] ?? '') && !/\s/.test(text[end - 1] ?? '') && !/\d/.test(text[end + 1] ?? '');
}

const blockMath: BlockRule = (state, startLine, endLine, silent) => {
  const lineStart = (line: number): number => (state.bMarks[line] ?? 0) + (state.tShift[line] ?? 0);
  const lineEnd = (line: number): number => state.eMarks[line] ?? 0;
  if ((state.sCount[startLine] ?? 0) - state.blkIndent >= 4) return false;
  const first = state.src.slice(lineStart(startLine), lineEnd(startLine));
  const close = first.startsWith('$$') ? '$$' : first.startsWith('\\[') ? '\\]' : undefined;
  if (close === undefined) return false;
  let content = first.slice(2);
  let line = startLine;
  let end = content.indexOf(close);
  while (end < 0) {
    line++;
    if (line >= endLine || (state.sCount[line] ?? 0) < state.blkIndent) {
      if (!isCutting(state.env) || silent) return false;
      state.line = line;
      pushBlock(state, content, startLine);
      return true;
    }
    const text = state.src.slice(lineStart(line), lineEnd(line));
    const found = text.indexOf(close);
    if (found >= 0) end = content.length + 1 + found;
    content += `\n${text}`;
  }
  // Something follows on the line: it is a formula within a paragraph.
  if (content.slice(end + 2).trim() !== '' || content.slice(0, end).trim() === '') return false;
  if (silent) return true;
  state.line = line + 1;
  pushBlock(state, content.slice(0, end), startLine);
  return true;
};

function pushBlock(state: Parameters<BlockRule>[0], content: string, startLine: number): void {
  const token = state.push('math_block', 'math', 0);
  token.block = true;
  token.content = content;
  token.map = [startLine, state.line];
}

/** Where a growing text is cut into blocks, a formula that has no end yet holds all that follows. */
export const CUTTING = { isCutting: true };

function isCutting(env: unknown): boolean {
  return env === CUTTING;
}
