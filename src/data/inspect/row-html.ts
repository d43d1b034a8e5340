/** A row as a page of its own: the text in colours, each token telling the rest when pointed at, and a table of all. */
import { characterGroups } from './character-groups.js';
import { CHINESE_TIP, chinese, english, type RowPageTexts } from './row-page-texts.js';
import { visible } from './row-text.js';
import type { DocumentView, RowView, TokenView } from './row-view.js';

const STYLE = `
:root{color-scheme:light dark;--ink:#1d2733;--faint:#66717e;--paper:#fff;--card:#f5f7f9;--line:#dde3e9;--learned:#d3f0dd;--learned-ink:#0b5c2c;--edge:#b9c4cf}
@media (prefers-color-scheme:dark){:root{--ink:#e4e9ee;--faint:#93a0ad;--paper:#12171c;--card:#1a2128;--line:#2c3640;--learned:#173c27;--learned-ink:#8fe0ae;--edge:#46525e}}
body{margin:0 auto;max-width:60rem;padding:2rem 1.2rem 4rem;font:16px/1.6 system-ui,-apple-system,'Segoe UI','Noto Sans','Noto Sans CJK SC',sans-serif;color:var(--ink);background:var(--paper)}
header{display:flex;align-items:baseline;justify-content:space-between;gap:1rem}h1{font-size:1.35rem;margin:0 0 .3rem}
button{font:inherit;font-size:.85rem;color:inherit;background:none;border:1px solid var(--edge);border-radius:7px;padding:.1rem .7rem;cursor:pointer}
:root[lang=en] [lang=zh-CN],:root[lang=zh-CN] [lang=en]{display:none}h2{font-size:.95rem;margin:0 0 .6rem;font-weight:600;overflow-wrap:anywhere}
p.about{color:var(--faint);margin:0 0 1.4rem;overflow-wrap:anywhere}
section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:1rem 1.1rem;margin:0 0 1rem}
section.padding{color:var(--faint);background:none;border-style:dashed}section.padding h2{margin:0;font-weight:400}
.text{white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.9}
.text span{border-bottom:1px solid var(--edge);margin-right:1px;border-radius:2px}
.text span.l,.key .l,tr.l td{background:var(--learned);color:var(--learned-ink)}
.text span.m,.key .m{background:repeating-linear-gradient(135deg,var(--learned) 0 4px,transparent 4px 8px)}
.text i{font-style:normal;opacity:.55}
.key{display:flex;flex-wrap:wrap;gap:1.2rem;margin:0 0 1rem;font-size:.9rem;color:var(--faint)}.key>span{padding:0 .4rem;border-radius:3px}
details{margin-top:.9rem}summary{cursor:pointer;color:var(--faint);font-size:.9rem}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:.85rem;margin-top:.5rem;font-variant-numeric:tabular-nums}
th,td{padding:.15rem .7rem;text-align:right;border-bottom:1px solid var(--line)}th{color:var(--faint);font-weight:500}
th:nth-child(n+6),td:nth-child(n+6){text-align:left;font-family:ui-monospace,monospace;white-space:pre}
`;

/** The language of the browser unless its reader chose the other one. Without scripts: English. */
const SCRIPT = `
const root=document.documentElement,tips=[...document.querySelectorAll('[title]')].map(e=>[e,e.title]);
function speak(zh){root.lang=zh?'zh-CN':'en';document.title=root.dataset[zh?'zh':'en'];
for(const[e,en]of tips)e.title=zh?en.replace(/ · id (\\d+) · place (\\d+) · position (\\d+)$/gm,'${CHINESE_TIP}'):en}
document.getElementById('language').addEventListener('click',()=>speak(root.lang==='en'));
speak(/^zh/i.test(navigator.language));
`;

/** A text in both languages, of which the style sheet shows one. */
function both(say: (texts: RowPageTexts) => string): string {
  return `<span lang="en">${escapeHtml(say(english))}</span><span lang="zh-CN">${escapeHtml(say(chinese))}</span>`;
}

export function renderRowHtml(view: RowView): string {
  const { row, rows, path, rowLength, documents } = view;
  const learned = documents.reduce((sum, document) => sum + document.learned, 0);
  const isMixed = documents.some(({ tokens }) => characterGroups(tokens).some(isLearnedInPart));
  const partly = isMixed ? `<span class="m">${both(({ partly: text }) => text)}</span>` : '';
  return `<!doctype html>
<html lang="en" data-en="${english.title(row, rows)}" data-zh="${chinese.title(row, rows)}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${english.title(row, rows)}</title>
<style>${STYLE}</style>
</head>
<body>
<header><h1>${both((say) => say.title(row, rows))}</h1><button type="button" id="language"><span lang="en">中文</span><span lang="zh-CN">English</span></button></header>
<p class="about">${both((say) => say.about(path, rowLength, learned))}</p>
<div class="key"><span class="l">${both((say) => say.learned)}</span><span>${both((say) => say.read)}</span>${partly}</div>
${documents.map(renderDocument).join('\n')}
<script>${SCRIPT}</script>
</body>
</html>
`;
}

function renderDocument(view: DocumentView): string {
  const title = both((say) => say.document(view));
  if (view.document === undefined) return `<section class="padding"><h2>${title}</h2></section>`;
  const groups = characterGroups(view.tokens);
  const heads = english.heads.map(
    (_, column) => `<th>${both(({ heads: names }) => names[column] ?? '')}</th>`,
  );
  return `<section>
<h2>${title}</h2>
<div class="text">${groups.map(renderGroup).join('')}</div>
<details><summary>${both((say) => say.tokens(view.tokens.length))}</summary><div class="scroll"><table>
<thead><tr>${heads.join('')}</tr></thead>
<tbody>
${groups.flatMap((group) => group.map((token, part) => renderTableRow(token, view.document, partText(group, part)))).join('\n')}
</tbody></table></div></details>
</section>`;
}

/** One token, or several that make up a character together: then the tooltip has a line for each. */
function renderGroup(group: readonly TokenView[]): string {
  const tip = group.map(({ token, id, place, position }) => {
    const spelling = token === undefined ? '' : `${visible(token, false)}`;
    return `${spelling} · id ${id} · place ${place} · position ${position}`;
  });
  const text = textOf(group);
  // Without text of its own: a special token, or a character that the row cuts off.
  const shown =
    text === ''
      ? group.map(({ token, id }) => `<i>${escapeHtml(visible(token ?? String(id), false))}</i>`).join('')
      : escapeHtml(visible(text, true));
  const isLearned = group.every(({ learned }) => learned);
  const mark = isLearnedInPart(group) ? ' class="m"' : isLearned ? ' class="l"' : '';
  return `<span${mark} title="${escapeHtml(tip.join('\n'))}">${shown}</span>`;
}

function isLearnedInPart(group: readonly TokenView[]): boolean {
  return group.some(({ learned }) => learned) && !group.every(({ learned }) => learned);
}

function textOf(group: readonly TokenView[]): string {
  return group.map(({ text }) => text).join('');
}

/** Of a part of a character: the character, and which part it is. */
function partText(group: readonly TokenView[], part: number): string {
  const text = visible(textOf(group), false);
  return group.length === 1 || text === ''
    ? visible(group[part]?.text ?? '', false)
    : `${text} ${part + 1}/${group.length}`;
}

function renderTableRow(
  { place, id, token, learned, position }: TokenView,
  document: number | undefined,
  text: string,
): string {
  const cells = [place, id, learned ? 1 : 0, position, document ?? '', visible(token ?? '', false), text];
  return `<tr${learned ? ' class="l"' : ''}>${cells.map((cell) => `<td>${escapeHtml(String(cell))}</td>`).join('')}</tr>`;
}

function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll('\r', '')
    .replace(/\p{Cs}/gu, '\ufffd');
}
