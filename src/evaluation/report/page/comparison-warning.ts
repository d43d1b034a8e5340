/** What is to be said beside the numbers of a comparison, in English and Chinese; also read by the scripts in `client/`. */

export type WarningKind =
  | 'shots'
  | 'mode'
  | 'form'
  | 'cot'
  | 'limit'
  | 'split'
  | 'answer-length'
  | 'dropped-shots'
  | 'files'
  | 'incomplete'
  | 'common'
  | 'unlabelled';

export interface ComparisonWarning {
  readonly kind: WarningKind;
  /** The value of each run by its label, or the run that is meant; empty: none. */
  readonly values: string;
  /** Of samples; 0: not counted. */
  readonly count: number;
}

export function warningText({ kind, values, count }: ComparisonWarning, language: 'en' | 'zh'): string {
  return language === 'zh' ? chinese(kind, values, count) : english(kind, values, count);
}

function english(kind: WarningKind, values: string, count: number): string {
  switch (kind) {
    case 'shots':
      return `other examples before the question, --shots (${values})`;
    case 'mode':
      return `other mode (${values})`;
    case 'form':
      return `other form (${values})`;
    case 'cot':
      return `--cot (${values})`;
    case 'limit':
      return `--limit (${values})`;
    case 'split':
      return `--split (${values})`;
    case 'answer-length':
      return `--max-new-tokens (${values})`;
    case 'dropped-shots':
      return `other number of examples left out for length (${values})`;
    case 'files':
      return 'other files were read (examples, splits); the answers of the common samples are the same';
    case 'incomplete':
      return `${values} is not complete: ${count} samples could not be asked`;
    case 'common':
      return `only the ${count} samples in common are compared (${values})`;
    case 'unlabelled':
      return `${count} samples have no label and are left out`;
  }
}

function chinese(kind: WarningKind, values: string, count: number): string {
  switch (kind) {
    case 'shots':
      return `题前示例数不同，--shots（${values}）`;
    case 'mode':
      return `方式不同（${values}）`;
    case 'form':
      return `形式不同（${values}）`;
    case 'cot':
      return `--cot 不同（${values}）`;
    case 'limit':
      return `--limit 不同（${values}）`;
    case 'split':
      return `--split 不同（${values}）`;
    case 'answer-length':
      return `--max-new-tokens 不同（${values}）`;
    case 'dropped-shots':
      return `因长度省去的示例数不同（${values}）`;
    case 'files':
      return '读取的文件不同（示例、划分）；共同样本的标准答案相同';
    case 'incomplete':
      return `${values} 不完整：${count} 个样本未能提问`;
    case 'common':
      return `仅比较 ${count} 个共同样本（${values}）`;
    case 'unlabelled':
      return `${count} 个样本无标准答案，未计入`;
  }
}

/** What several tasks have in common is said once. */
export function sharedWarnings(
  tasks: readonly { readonly name: string; readonly warnings: readonly ComparisonWarning[] }[],
  language: 'en' | 'zh',
): string[] {
  const byText = new Map<string, string[]>();
  for (const { name, warnings } of tasks)
    for (const warning of warnings) {
      const text = warningText(warning, language);
      byText.set(text, [...(byText.get(text) ?? []), name]);
    }
  return [...byText].map(([text, names]) => `${names.join(', ')}: ${text}`);
}
