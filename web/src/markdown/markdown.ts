/** Markdown to HTML text, not sanitised yet, and the borders of its blocks. Without a browser. */
import MarkdownIt from 'markdown-it';
import { addMathRules, CUTTING } from './math-rules.js';
import { addTaskLists } from './task-lists.js';

const markdown = new MarkdownIt('default', { html: false, linkify: true, breaks: true, typographer: false });
addMathRules(markdown);
addTaskLists(markdown);
// Bare words such as main.rs are no addresses.
markdown.linkify.set({ fuzzyLink: false, fuzzyEmail: false });
// The page loads nothing from elsewhere: a picture is a link to it.
markdown.renderer.rules.image = (tokens, index, options, env, self) => {
  const token = tokens[index];
  const { escapeHtml } = markdown.utils;
  const source = escapeHtml(token?.attrGet('src') ?? '');
  const label = self.renderInlineAsText(token?.children ?? [], options, env) || source;
  return `<a href="${source}">${escapeHtml(label)}</a>`;
};

// By class: the page's policy lets no style attribute pass.
for (const name of ['th_open', 'td_open'])
  markdown.renderer.rules[name] = (tokens, index, options, _, self) => {
    const token = tokens[index];
    const alignment = /center|right/.exec(token?.attrGet('style') ?? '')?.[0];
    if (token !== undefined) token.attrs = alignment === undefined ? null : [['class', `align-${alignment}`]];
    return self.renderToken(tokens, index, options);
  };

export function renderMarkdown(source: string): string {
  return markdown.render(source);
}

/** Two: after a list, `2` is a paragraph until its dot comes and makes it an item of that list. */
const OPEN_BLOCKS = 2;

/**
 * Cuts a growing text into its top-level blocks (paragraph, list, code, …). More text can change the last two only, so the
 * others need not be drawn again, nor parsed.
 */
export class BlockCutter {
  #settled: readonly string[] = [];
  #settledLength = 0;
  #text = '';

  /** @param text what was given before, with more at its end (else it begins anew) */
  cut(text: string): readonly string[] {
    if (!text.startsWith(this.#text) || text.length < this.#settledLength) {
      this.#settled = [];
      this.#settledLength = 0;
    }
    this.#text = text;
    const blocks = topLevelBlocks(text.slice(this.#settledLength));
    const open = blocks.splice(-OPEN_BLOCKS);
    if (blocks.length > 0) {
      this.#settled = [...this.#settled, ...blocks];
      for (const block of blocks) this.#settledLength += block.length;
    }
    return [...this.#settled, ...open];
  }
}

/** Joined they are the text again. */
function topLevelBlocks(text: string): string[] {
  if (text === '') return [];
  const starts: number[] = [];
  let depth = 0;
  for (const { map, nesting } of blockTokens(text)) {
    if (depth === 0 && map !== null && nesting >= 0) starts.push(map[0]);
    depth += nesting;
  }
  const offsets = lineOffsets(text);
  const cuts = starts.slice(1).map((line) => offsets[line] ?? text.length);
  return [0, ...cuts].map((from, index) => text.slice(from, cuts[index] ?? text.length));
}

function blockTokens(text: string): ReturnType<MarkdownIt['parse']> {
  const state = new markdown.core.State(text, markdown, CUTTING);
  markdown.core.ruler
    .getRules('')
    .slice(0, 2) // normalize, block: what stands in the lines is of no interest here.
    .forEach((rule) => {
      rule(state);
    });
  return state.tokens;
}

/** markdown-it counts CR LF and CR as line ends too. */
function lineOffsets(text: string): number[] {
  const offsets = [0];
  for (const { index, 0: end } of text.matchAll(/\r\n|\n|\r/g)) offsets.push(index + end.length);
  return offsets;
}
