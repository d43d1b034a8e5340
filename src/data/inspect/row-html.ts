/** A row as a page of its own: the text in colours, each token telling the rest when pointed at, and a table of all. */
import { documentTitle, visible } from './row-text.js';
import type { DocumentView, RowView, TokenView } from './row-view.js';

const STYLE = `
:root{color-scheme:light dark;--ink:#1d2733;--faint:#66717e;--paper:#fff;--card:#f5f7f9;--line:#dde3e9;--learned:#d3f0dd;--learned-ink:#0b5c2c;--edge:#b9c4cf}
@media (prefers-color-scheme:dark){:root{--ink:#e4e9ee;--faint:#93a0ad;--paper:#12171c;--card:#1a2128;--line:#2c3640;--learned:#173c27;--learned-ink:#8fe0ae;--edge:#46525e}}
body{margin:0 auto;max-width:60rem;padding:2rem 1.2rem 4rem;font:16px/1.6 system-ui,-apple-system,'Segoe UI','Noto Sans','Noto Sans CJK SC',sans-serif;color:var(--ink);background:var(--paper)}
h1{font-size:1.35rem;margin:0 0 .3rem}h2{font-size:.95rem;margin:0 0 .6rem;font-weight:600;overflow-wrap:anywhere}
p.about{color:var(--faint);margin:0 0 1.4rem;overflow-wrap:anywhere}
section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:1rem 1.1rem;margin:0 0 1rem}
section.padding{color:var(--faint);background:none;border-style:dashed}section.padding h2{margin:0;font-weight:400}
.text{white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.9}
.text span{border-bottom:1px solid var(--edge);margin-right:1px;border-radius:2px}
.text span.l,.key .l,tr.l td{background:var(--learned);color:var(--learned-ink)}
.text i{font-style:normal;opacity:.55}
.key{display:flex;gap:1.2rem;margin:0 0 1rem;font-size:.9rem;color:var(--faint)}.key span{padding:0 .4rem;border-radius:3px}
details{margin-top:.9rem}summary{cursor:pointer;color:var(--faint);font-size:.9rem}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:.85rem;margin-top:.5rem;font-variant-numeric:tabular-nums}
th,td{padding:.15rem .7rem;text-align:right;border-bottom:1px solid var(--line)}th{color:var(--faint);font-weight:500}
th:nth-child(n+6),td:nth-child(n+6){text-align:left;font-family:ui-monospace,monospace;white-space:pre}
`;

export function renderRowHtml(view: RowView): string {
  const title = `Row ${view.row} of ${view.rows}`;
  const learned = view.documents.reduce((sum, document) => sum + document.learned, 0);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${title}</h1>
<p class="about">${escapeHtml(view.path)}: ${view.rowLength} ids, ${learned} learned</p>
<div class="key"><span class="l">learned</span><span>only read</span></div>
${view.documents.map(renderDocument).join('\n')}
</body>
</html>
`;
}

function renderDocument(view: DocumentView): string {
  const title = escapeHtml(documentTitle(view));
  if (view.document === undefined) return `<section class="padding"><h2>${title}</h2></section>`;
  return `<section>
<h2>${title}</h2>
<div class="text">${view.tokens.map((token) => renderToken(token)).join('')}</div>
<details><summary>${view.tokens.length} tokens</summary><div class="scroll"><table>
<thead><tr><th>place</th><th>id</th><th>mask</th><th>position</th><th>document</th><th>token</th><th>text</th></tr></thead>
<tbody>
${view.tokens.map((token) => renderTableRow(token, view.document)).join('\n')}
</tbody></table></div></details>
</section>`;
}

function renderToken({ place, id, token, text, learned, position }: TokenView): string {
  const told = `${token === undefined ? '' : `${visible(token, false)} · `}id ${id} · place ${place} · position ${position}`;
  // A token without text of its own: a special one, or a part of a character.
  const shown =
    text === ''
      ? `<i>${escapeHtml(visible(token ?? String(id), false))}</i>`
      : escapeHtml(visible(text, true));
  return `<span${learned ? ' class="l"' : ''} title="${escapeHtml(told)}">${shown}</span>`;
}

function renderTableRow(
  { place, id, token, text, learned, position }: TokenView,
  document: number | undefined,
): string {
  const cells = [
    place,
    id,
    learned ? 1 : 0,
    position,
    document ?? '',
    visible(token ?? '', false),
    visible(text, false),
  ];
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
