/**
 * Jinja chat templates in a process of their own: a template is a program, and one that loops for ever or fills the memory ends
 * with that process. (A thread will not do: where its memory is full, all of its process is aborted.)
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type RenderedTemplate, renderChild, type TemplateValues } from '../../templates/index.js';
import { HttpError } from '../http/index.js';

export interface TemplateRendererOptions {
  /** Milliseconds. Default 1000. */
  readonly timeout?: number;
  /** Characters of the text. Default 4,000,000. */
  readonly maxLength?: number;
}

/** A template that cannot be read is a wrong request; one that fails with these messages is one that cannot be processed. */
type Outcome =
  | RenderedChat
  | { readonly fault: string; readonly isUnreadable?: boolean; readonly isRaised?: boolean };

/** As of `ChatTemplate.renderMarked`. */
export type RenderedChat = Pick<RenderedTemplate, 'text' | 'marked'>;

/** The template's own words are not those of messages. */
export interface TemplateInput {
  readonly values: TemplateValues;
  readonly own?: TemplateValues | undefined;
}

const HEAP_MEGABYTES = 128;
/** A process that is just starting needs some more. */
const START_MILLISECONDS = 3000;

export class TemplateRenderer {
  readonly #timeout: number;
  readonly #maxLength: number;
  #process: Promise<ChildProcess> | undefined;
  /** One template at a time. */
  #last: Promise<unknown> = Promise.resolve();

  constructor({ timeout = 1000, maxLength = 4_000_000 }: TemplateRendererOptions = {}) {
    this.#timeout = timeout;
    this.#maxLength = maxLength;
  }

  /**
   * @param input plain data, as JSON has it
   * @throws HttpError 400 for a template with faults, and for a conversation that it refuses itself; 422 for one that fails, takes
   * too long or too much memory, a text too long
   */
  async render(template: string, input: TemplateInput): Promise<RenderedChat> {
    const outcome = this.#last.then(() => this.#run(template, input));
    this.#last = outcome.catch(() => undefined);
    const result = await outcome;
    if ('text' in result) return result;
    const isRefusal = result.isUnreadable === true || result.isRaised === true;
    throw new HttpError(isRefusal ? 400 : 422, {
      message: `The chat template failed: ${result.fault}.`,
      param: 'chat_template',
    });
  }

  async close(): Promise<void> {
    const child = await this.#process?.catch(() => undefined);
    this.#process = undefined;
    child?.kill('SIGKILL');
  }

  async #run(template: string, { values, own = {} }: TemplateInput): Promise<Outcome> {
    this.#process ??= startProcess();
    let child: ChildProcess;
    try {
      child = await this.#process;
    } catch (error) {
      this.#process = undefined;
      throw error;
    }
    const timeout = this.#timeout;
    child.ref();
    child.send({ template, values: JSON.stringify(values), own, timeout, maxLength: this.#maxLength });
    // The child counts its own time; a little more, so that it can say so.
    const reply = await nextMessage(child, 2 * timeout);
    child.unref();
    if (reply.kind === 'message' && isOutcome(reply.message)) return reply.message;
    this.#process = undefined;
    child.kill('SIGKILL');
    return { fault: reply.kind === 'late' ? 'it took too long' : 'it took too much memory' };
  }
}

/** Without our environment, and without a way to make code of text. */
async function startProcess(): Promise<ChildProcess> {
  const flags = [`--max-old-space-size=${HEAP_MEGABYTES}`, '--disallow-code-generation-from-strings'];
  const child = spawn(process.execPath, [...flags, fileURLToPath(renderChild())], {
    env: {},
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  // Told by the missing answer.
  child.on('error', () => undefined);
  const ready = await nextMessage(child, START_MILLISECONDS);
  if (ready.kind !== 'message') {
    child.kill('SIGKILL');
    throw new Error('the process for chat templates did not start');
  }
  child.unref();
  child.channel?.unref();
  return child;
}

type Reply =
  | { readonly kind: 'message'; readonly message: unknown }
  | { readonly kind: 'ended' }
  | { readonly kind: 'late' };

function nextMessage(child: ChildProcess, milliseconds: number): Promise<Reply> {
  return new Promise((resolve) => {
    const settle = (reply: Reply): void => {
      clearTimeout(timer);
      child.off('message', onMessage).off('exit', onExit);
      resolve(reply);
    };
    const onMessage = (message: unknown): void => settle({ kind: 'message', message });
    const onExit = (): void => settle({ kind: 'ended' });
    const timer = setTimeout(() => settle({ kind: 'late' }), milliseconds);
    child.on('message', onMessage).on('exit', onExit);
    if (child.exitCode !== null || child.signalCode !== null) onExit();
  });
}

function isOutcome(message: unknown): message is Outcome {
  if (typeof message !== 'object' || message === null) return false;
  return 'text' in message ? typeof message.text === 'string' : 'fault' in message;
}
