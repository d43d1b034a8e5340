import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { goldenFolder } from '../../../tests/support/golden.js';
import { loadTokenizer } from '../../tokenizers/index.js';
import type { Dataset } from '../dataset/dataset.js';
import { openDataset } from '../dataset/open-dataset.js';
import { rowPositions } from '../dataset/row.js';
import { prepareDataset } from '../prepare/prepare-dataset.js';
import { CharacterBorders, characterGroups } from './character-groups.js';
import { renderDatasetText, rowsOfStep } from './dataset-text.js';
import { renderRowHtml } from './row-html.js';
import { renderRowText } from './row-text.js';
import { type RowView, viewRow } from './row-view.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-inspect-'));
const tokenizerPath = `${goldenFolder}tokenizers/spark_like`;
const input = join(folder, 'records.jsonl');
let dataset: Dataset;
let view: RowView;

beforeAll(async () => {
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  const records = [
    { instruction: '<b>好</b>', output: '好的\n\u001b[31m"&' },
    { instruction: '二', output: '天气' },
  ];
  writeFileSync(input, records.map((record) => `${JSON.stringify(record)}\n`).join(''));
  const output = join(folder, 'rows');
  const recipe = { form: 'alpaca', recipe: 'spark-sft', tokenizer: tokenizerPath, seqLength: 79 } as const;
  await prepareDataset({ ...recipe, inputs: [input], output, workers: 1 });
  dataset = openDataset(output);
  view = viewRow(dataset, 0, loadTokenizer(tokenizerPath, { newlineToken: '<ret>' }));
});
afterAll(() => {
  dataset.close();
  rmSync(folder, { recursive: true });
});

test('a row has its documents, tokens, masks, positions and padding', () => {
  expect(view.documents.map(({ document, origin }) => [document, origin])).toEqual([
    [0, `${input}:1`],
    [1, `${input}:2`],
    [undefined, undefined],
  ]);
  const second = view.documents[1];
  expect(second?.tokens[0]).toMatchObject({ token: '<User>', position: 0, learned: false });
  expect(second?.tokens.at(-1)).toMatchObject({ token: '<end>', learned: true });
  expect(second?.tokens.map(({ text }) => text).join('')).toContain('二<end><Bot> 天气<end>');
  expect(view.documents.flatMap(({ tokens }) => tokens.map(({ place }) => place))).toEqual(
    Array.from({ length: 80 }, (_, place) => place),
  );
});

test('positions begin anew in every document', () => {
  const row = {
    ids: new Int32Array(7),
    lossMask: new Uint8Array(7),
    documentIds: Int32Array.of(-1, -1, 0, 0, 0, 1, 1),
  };
  expect([...rowPositions(row)]).toEqual([0, 0, 0, 1, 2, 0, 1]);
  expect([...rowPositions({ ...row, documentIds: undefined })]).toEqual([0, 1, 2, 3, 4, 5, 6]);
});

describe('on a terminal', () => {
  test('without colours learned text stands in brackets; control characters are spelt out', () => {
    const text = renderRowText(view, false);
    expect(text).toContain('<User> 二<end><Bot> ⟦天气<end>⟧');
    expect(text).toContain('⟦好的↵\n\\u{1b}[31m"&<end>⟧');
    expect(text).not.toContain('\u001b');
    expect(text).toMatch(/padding: \d+ times id 0, places \d+ to 79/);
    expect(text).toMatch(/^ *\d+ +5 +1 +\d+ +1 +<end> +<end>$/m);
  });

  test('with colours learned tokens are green', () => {
    expect(renderRowText(view, true)).toContain('\u001b[32m天气<end>\u001b[0m');
  });
});

test('as a page every text is escaped and every token tells its id', () => {
  const html = renderRowHtml(view);
  expect(html).toContain('&lt;User&gt;');
  for (const raw of ['<b>', '\u001b', '<User>']) expect(html).not.toContain(raw);
  const tokens = view.documents.reduce(
    (sum, { document, tokens: own }) => sum + (document === undefined ? 0 : own.length),
    0,
  );
  expect(html.match(/<tr[ >]/g)?.length).toBe(tokens + 2);
  const tips = [...html.matchAll(/<span[^>]* title="([^"]*)"/g)].flatMap(([, tip = '']) => tip.split('\n'));
  expect(tips.filter((tip) => / · id \d+ · place \d+ · position \d+$/.test(tip)).length).toBe(tokens);
  for (const tag of ['header', 'button', 'section', 'details', 'table', 'div', 'span', 'tr', 'td'])
    expect([tag, html.match(new RegExp(`<${tag}[ >]`, 'g'))?.length]).toEqual([
      tag,
      html.match(new RegExp(`</${tag}>`, 'g'))?.length,
    ]);
});

describe.each(['spm_bpe_bytefallback', 'bbpe_gpt2', 'bpe_bytefallback_json', 'spm_unigram_bytefallback'])(
  'characters of several tokens (%s)',
  (name) => {
    const text = '星河 🌌 流过。é';

    let count = 0;
    async function viewOf(seqLength: number): Promise<RowView> {
      const records = join(folder, `${name}.jsonl`);
      writeFileSync(records, `${JSON.stringify({ text })}\n`);
      const output = join(folder, `${name}-${count++}`);
      const tokenizer = `${goldenFolder}tokenizers/${name}`;
      const options = { form: 'text', recipe: 'xverse-pretrain', seqLength, workers: 1 } as const;
      await prepareDataset({ ...options, tokenizer, inputs: [records], output });
      const opened = openDataset(output);
      try {
        return viewRow(opened, 0, loadTokenizer(tokenizer));
      } finally {
        opened.close();
      }
    }

    test('are shown as one, with a line of the tooltip for each', async () => {
      const tokens = (await viewOf(40)).documents[0]?.tokens ?? [];
      const groups = characterGroups(tokens);
      const texts = groups.map((group) => group.map((token) => token.text).join(''));
      expect(groups.flat()).toEqual(tokens);
      expect(texts.join('').replace('<|endoftext|>', '').trim()).toMatch(/^星河 🌌 流过。é/);
      // No token of a part stands alone, and no two characters that are whole stand together.
      for (const group of groups)
        expect(group.slice(0, -1).every(({ endsInCharacter }) => endsInCharacter)).toBe(true);
      expect(groups.some((group) => group.length > 1)).toBe(true);
      const html = renderRowHtml(await viewOf(40));
      const galaxy = groups.find((group) => group.some((token) => token.text.includes('🌌'))) ?? [];
      const spans = [...html.matchAll(/<span class="l" title="([^"]*)">([^<]*)<\/span>/g)];
      const shown = spans.find(([, , content]) => content?.includes('🌌') === true);
      expect(shown?.[1]?.split('\n')).toHaveLength(galaxy.length);
      expect(html).toContain(`🌌 1/${galaxy.length}</td>`);
      expect(html).not.toContain('\ufffd');
    });

    test('that the row cuts off are shown as what there is of them', async () => {
      const whole = await viewOf(40);
      const tokens = whole.documents[0]?.tokens ?? [];
      const at = tokens.findLastIndex(({ endsInCharacter }) => endsInCharacter);
      const cut = await viewOf(at);
      const html = renderRowHtml(cut);
      expect(cut.documents[0]?.tokens.at(-1)).toMatchObject({ endsInCharacter: true });
      expect(html).toContain('<i>');
      expect(html.match(/<tr /g)?.length).toBe(at + 1);
    });

    test('that are learned in part are marked so', async () => {
      const whole = await viewOf(40);
      expect(renderRowHtml(whole)).not.toContain('class="m"');
      const documents = whole.documents.map((document) => ({
        ...document,
        tokens: document.tokens.map((token) =>
          token.endsInCharacter ? { ...token, learned: false } : token,
        ),
      }));
      expect(renderRowHtml({ ...whole, documents })).toMatch(/<span class="m" title="[^"]*\n[^"]*">/);
    });
  },
);

test('characters end where a token is no text, and bytes out of place begin anew', () => {
  const borders = new CharacterBorders();
  expect(borders.push(Uint8Array.of(0xe6, 0x98))).toBe(true);
  expect(borders.push(Uint8Array.of(0x9f))).toBe(false);
  expect(borders.push(Uint8Array.of(0x9f))).toBe(false);
  expect(borders.push(Uint8Array.of(0xf0))).toBe(true);
  expect(borders.push(undefined)).toBe(false);
  expect(borders.push(Uint8Array.of(0x80))).toBe(false);
  expect(borders.push(Uint8Array.of(0xe6, 0x41))).toBe(false);
  expect(borders.push(Uint8Array.of(0xc0))).toBe(false);
});

test('a dataset in lines, and the origins of a step', () => {
  const text = renderDatasetText(dataset);
  expect(text).toContain('1 rows of 80 ids');
  expect(text).toContain('spark-sft, packing greedy, train rows, safetensors');
  expect(text).toContain(`${input}, `);
  expect(rowsOfStep(dataset, 3, { rowsPerStep: 2, seed: 1, shuffle: true })).toEqual([
    { row: 0, origins: [`${input}:1`, `${input}:2`] },
    { row: 0, origins: [`${input}:1`, `${input}:2`] },
  ]);
});
