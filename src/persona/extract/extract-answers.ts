/** Puts prompts to a teacher. What fails is set aside and asked again by the next run; nothing that came is lost. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { InputError, InterruptedError } from '../../errors/index.js';
import type { LanguageModel, ModelQuestion } from '../../evaluation/index.js';
import { lockOutput, writeError, writeFileAtomic } from '../../formats/index.js';
import { log, Progress } from '../../log/index.js';
import { promptKey, type TeacherPrompt } from '../prompts/teacher-prompt.js';
import {
  appendLine,
  EXCEPTION_FILE,
  type ExceptionLine,
  linesText,
  OTHER_QA_FILE,
  QA_FILE,
  type QaLine,
  readQaLines,
} from './qa-file.js';
import { whyUnusable } from './usable-answer.js';

export interface ExtractOptions {
  readonly prompts: readonly TeacherPrompt[];
  /** Folder of qa_data.json and data_exception.json. */
  readonly output: string;
  /** Opened only where something is missing. */
  readonly openTeacher: () => Promise<LanguageModel>;
  /** Of one answer. Default 512. */
  readonly maxNewTokens?: number | undefined;
  /** 0 takes the likeliest. Default: the teacher's own. */
  readonly temperature?: number | undefined;
}

export interface ExtractReport {
  readonly prompts: number;
  /** That were there before. */
  readonly known: number;
  readonly answered: number;
  /** Without an answer, by reason. */
  readonly failed: Readonly<Record<string, number>>;
}

/** As many refusals one after the other are no chance: keys, or a ban. */
const MOST_REFUSALS = 3;

/** @throws InputError where the teacher takes no question at all; what came until then is kept. InterruptedError */
export async function extractAnswers(options: ExtractOptions): Promise<ExtractReport> {
  const { output } = options;
  try {
    mkdirSync(output, { recursive: true });
  } catch (error) {
    throw writeError(output, error, false);
  }
  const release = lockOutput(output);
  try {
    return await new Extraction(options).run();
  } finally {
    release();
  }
}

class Extraction {
  readonly #options: ExtractOptions;
  /** One for each key, in order. */
  readonly #prompts: ReadonlyMap<string, TeacherPrompt>;
  readonly #answers = new Map<string, QaLine>();
  readonly #others: QaLine[] = [];
  readonly #failed = new Map<string, ExceptionLine>();
  readonly #qaPath: string;
  readonly #exceptionPath: string;

  constructor(options: ExtractOptions) {
    this.#options = options;
    this.#prompts = new Map(options.prompts.map((prompt) => [promptKey(prompt), prompt]));
    this.#qaPath = join(options.output, QA_FILE);
    this.#exceptionPath = join(options.output, EXCEPTION_FILE);
    this.#readKnown();
  }

  async run(): Promise<ExtractReport> {
    const known = this.#answers.size;
    const twice = this.#options.prompts.length - this.#prompts.size;
    if (twice > 0) log(`${twice} prompts stand there twice and are asked once`);
    const missing = [...this.#prompts].filter(([key]) => !this.#answers.has(key));
    if (known > 0)
      log(`${known} of ${this.#prompts.size} prompts have their answers, ${missing.length} are asked`);
    try {
      if (missing.length > 0) await this.#ask(missing);
    } catch (error) {
      this.#setAside(missing, error);
      throw this.#withCounts(error);
    } finally {
      this.#write();
    }
    const failed: Record<string, number> = {};
    for (const { reason } of this.#failed.values()) failed[reason] = (failed[reason] ?? 0) + 1;
    return { prompts: this.#prompts.size, known, answered: this.#answers.size, failed };
  }

  /** By key; lines of the published tool by their question. */
  #readKnown(): void {
    const byInput = new Map([...this.#prompts].map(([key, { input }]) => [input, key]));
    for (const line of readQaLines(this.#qaPath, { bearsEnd: true })) {
      const key = line.key ?? byInput.get(line.input);
      if (key !== undefined && this.#prompts.has(key)) this.#answers.set(key, line);
      else this.#others.push(line);
    }
  }

  async #ask(missing: readonly (readonly [string, TeacherPrompt])[]): Promise<void> {
    const teacher = await this.#options.openTeacher();
    const progress = new Progress({ label: 'teacher', unit: 'answer', total: missing.length });
    let [done, refusals] = [0, 0];
    const settle = (): void => {
      done += 1;
      progress.update(done);
    };
    const fail = (place: number, reason: string, message: string): void => {
      const [key, prompt] = missing[place] ?? [];
      if (key === undefined || prompt === undefined) return;
      const line = exceptionLine(key, prompt, reason, message);
      this.#failed.set(key, line);
      appendLine(this.#exceptionPath, line);
      settle();
    };
    try {
      await teacher.answer(
        missing.map(([, prompt]) => this.#question(prompt, teacher)),
        {
          onAnswer: (place, { output: text = '' }) => {
            refusals = 0;
            const [key, prompt] = missing[place] ?? [];
            if (key === undefined || prompt === undefined) return;
            const reason = whyUnusable(text, prompt.prompt);
            if (reason !== undefined) return fail(place, reason, shown(text));
            const line = qaLine(key, prompt, text);
            this.#answers.set(key, line);
            appendLine(this.#qaPath, line);
            settle();
          },
          onUnanswerable: fail,
          onFailure: (place, reason, message) => {
            fail(place, reason, message);
            refusals = /^status 40[13]$/.test(reason) ? refusals + 1 : 0;
            if (refusals >= MOST_REFUSALS)
              throw new InputError(
                `the teacher refused ${refusals} questions one after the other (${reason}): ${message}; the key may have expired, or is banned.`,
              );
          },
        },
      );
    } finally {
      progress.finish();
      teacher.dispose();
    }
  }

  #question({ prompt }: TeacherPrompt, teacher: LanguageModel): ModelQuestion {
    const { maxNewTokens = 512, temperature } = this.#options;
    return {
      kind: 'text',
      form: teacher.forms[0] ?? 'chat',
      prompt: { shots: [], question: prompt },
      stop: [],
      maxNewTokens,
      ...(temperature !== undefined && temperature > 0 && { sampling: { temperature } }),
    };
  }

  /** What was not asked any more is missing like what failed. */
  #setAside(missing: readonly (readonly [string, TeacherPrompt])[], error: unknown): void {
    const reason = error instanceof InterruptedError ? 'interrupted' : 'not asked';
    for (const [key, prompt] of missing)
      if (!this.#answers.has(key) && !this.#failed.has(key))
        this.#failed.set(key, exceptionLine(key, prompt, reason, 'the run ended before'));
  }

  #withCounts(error: unknown): unknown {
    const [answered, all, missing] = [this.#answers.size, this.#prompts.size, this.#failed.size];
    const kept = `${answered} of ${all} prompts are answered (${this.#qaPath}), ${missing} are not (${this.#exceptionPath}); the same command asks for those alone`;
    if (error instanceof InterruptedError) return new InterruptedError(`${error.message}; ${kept}`);
    if (error instanceof InputError) return new InputError(`${error.message.replace(/\.$/, '')}; ${kept}.`);
    return error;
  }

  /** In the order of the prompts, whatever the order in which the answers came. */
  #write(): void {
    const keys = [...this.#prompts.keys()];
    const answers = keys.flatMap((key) => this.#answers.get(key) ?? []);
    const failed = keys.flatMap((key) => this.#failed.get(key) ?? []);
    if (this.#others.length > 0) {
      const path = join(this.#options.output, OTHER_QA_FILE);
      writeFileAtomic(path, linesText([...readQaLines(path, { bearsEnd: true }), ...this.#others]));
      log(
        `${this.#others.length} answers belong to other prompts (another persona or form); they are kept in ${path}`,
      );
    }
    writeFileAtomic(this.#qaPath, linesText(answers));
    writeFileAtomic(this.#exceptionPath, linesText(failed));
  }
}

function qaLine(key: string, prompt: TeacherPrompt, text: string): QaLine {
  const { prompt: _prompt, input, ...known } = prompt;
  return { input, target: text.trim(), ...known, key };
}

function exceptionLine(
  key: string,
  { input, prompt, id }: TeacherPrompt,
  reason: string,
  message: string,
): ExceptionLine {
  return { Q: input, data: prompt, id, key, reason, message };
}

function shown(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length > 200 ? `${line.slice(0, 200)}…` : line;
}
