/** What the page of a row says, in English and Chinese. */
import { documentTitle } from './row-text.js';
import type { DocumentView } from './row-view.js';

export interface RowPageTexts {
  readonly title: (row: number, rows: number) => string;
  readonly about: (path: string, ids: number, learned: number) => string;
  readonly learned: string;
  readonly read: string;
  readonly partly: string;
  readonly tokens: (count: number) => string;
  readonly heads: readonly string[];
  readonly document: (view: DocumentView) => string;
}

export const english: RowPageTexts = {
  title: (row, rows) => `Row ${row} of ${rows}`,
  about: (path, ids, learned) => `${path}: ${ids} ids, ${learned} learned`,
  learned: 'learned',
  read: 'only read',
  partly: 'one character, learned in part',
  tokens: (count) => `${count} tokens`,
  heads: ['place', 'id', 'mask', 'position', 'document', 'token', 'text'],
  document: documentTitle,
};

export const chinese: RowPageTexts = {
  title: (row, rows) => `第 ${row} 行，共 ${rows} 行`,
  about: (path, ids, learned) => `${path}：${ids} 个词元，其中 ${learned} 个参与学习`,
  learned: '参与学习',
  read: '只读',
  partly: '一个字，部分参与学习',
  tokens: (count) => `${count} 个词元`,
  heads: ['行内位置', '编号', '掩码', '文内位置', '文档', '词元', '文本'],
  document({ document, origin, offset, learned, tokens }) {
    const places = `位置 ${tokens[0]?.place ?? 0} 至 ${tokens.at(-1)?.place ?? 0}`;
    if (document === undefined) return `填充：编号 ${tokens[0]?.id ?? ''} 共 ${tokens.length} 次，${places}`;
    const from = offset > 0 ? `，接前面各行的 ${offset} 个词元` : '';
    const where = origin === undefined ? '' : `，来自 ${origin}`;
    return `文档 ${document}${where}：${tokens.length} 个词元，${learned} 个参与学习，${places}${from}`;
  },
};

/** How the ends of tooltips read in Chinese; the page's script puts it in place of the English. */
export const CHINESE_TIP = ' · 编号 $1 · 行内位置 $2 · 文内位置 $3';
