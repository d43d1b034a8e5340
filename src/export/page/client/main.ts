/** The page beside an exported graph: loads model, tokenizer and runtime out of its folder, then talks. */
import { Buffer } from 'buffer';
import type { PageModel } from '../page-model.js';
import { Conversation } from './conversation.js';
import { type FileSource, PickedFolder, SiteSource } from './file-source.js';
import { LanguageModel } from './language-model.js';
import { loadRuntime } from './runtime.js';
import { isChinese, texts } from './texts.js';

// Our tokenizers were written for Node.
Object.assign(globalThis, { Buffer });

const MOST_NEW_TOKENS = 512;

function element<Kind extends HTMLElement>(id: string, kind: new () => Kind): Kind {
  const found = document.getElementById(id);
  if (found instanceof kind) return found;
  throw new TypeError(`the page has no ${id}`);
}

const title = element('title', HTMLElement);
const status = element('status', HTMLElement);
const list = element('messages', HTMLElement);
const form = element('form', HTMLFormElement);
const field = element('field', HTMLTextAreaElement);
const sendButton = element('send', HTMLButtonElement);
const stopButton = element('stop', HTMLButtonElement);
const anewButton = element('anew', HTMLButtonElement);
const temperature = element('temperature', HTMLInputElement);
const temperatureValue = element('temperature-value', HTMLOutputElement);
const picker = element('picker', HTMLElement);
const folder = element('folder', HTMLInputElement);

interface Loaded {
  readonly model: PageModel;
  readonly languageModel: LanguageModel;
  readonly conversation: Conversation;
}

let loaded: Loaded | undefined;
let stopping = new AbortController();

function say(text: string, isFault = false): void {
  status.textContent = text;
  status.classList.toggle('fault', isFault);
}

function fail(error: unknown): void {
  say(`${texts.failed}: ${error instanceof Error ? error.message : String(error)}`, true);
}

/** @param isBusy an answer is being written */
function setBusy(isBusy: boolean): void {
  sendButton.hidden = isBusy;
  stopButton.hidden = !isBusy;
  anewButton.disabled = isBusy;
}

function addMessage(role: 'user' | 'assistant', content: string): HTMLElement {
  const item = document.createElement('li');
  item.className = role;
  const name = document.createElement('b');
  name.textContent = role === 'user' ? texts.you : texts.model;
  const text = document.createElement('div');
  text.className = 'text';
  text.textContent = content;
  item.append(name, text);
  list.append(item);
  item.scrollIntoView({ block: 'end' });
  return text;
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

async function load(files: FileSource): Promise<void> {
  picker.hidden = true;
  say(`${texts.loading} …`);
  const model = JSON.parse(new TextDecoder().decode(await files.read('page.json'))) as PageModel;
  title.textContent = model.name;
  document.title = model.name;
  temperature.value = String(model.temperature);
  temperatureValue.value = temperature.value;
  const runtime = await loadRuntime(files);
  const conversation = await Conversation.open(model, files);
  const languageModel = await LanguageModel.load(runtime, model, files, (done, total) =>
    say(`${texts.loading} ${megabytes(done)}${total > 0 ? ` / ${megabytes(total)}` : ''}`),
  );
  loaded = { model, languageModel, conversation };
  say(`${texts.ready} · ${model.family} · ${model.dtype}`);
  form.hidden = false;
  field.focus();
}

async function answer({ languageModel, conversation }: Loaded, question: string): Promise<void> {
  const { messages, tokenizer, stopTokenIds } = conversation;
  messages.push({ role: 'user', content: question });
  addMessage('user', question);
  const shown = addMessage('assistant', '');
  const stream = tokenizer.createDecodeStream({ skipSpecialTokens: true });
  stopping = new AbortController();
  const started = performance.now();
  let count = 0;
  let text = '';
  try {
    for await (const id of languageModel.generate(conversation.prompt(MOST_NEW_TOKENS), {
      maxNewTokens: MOST_NEW_TOKENS,
      temperature: Number(temperature.value),
      stopTokenIds,
      signal: stopping.signal,
    })) {
      count++;
      text += stream.push(id);
      shown.textContent = text;
      say(`${(count / ((performance.now() - started) / 1000)).toFixed(1)} ${texts.speed}`);
    }
    text += stream.end();
    shown.textContent = text;
    messages.push({ role: 'assistant', content: text });
  } catch (error) {
    // What was asked and not answered is no part of what follows.
    messages.pop();
    throw error;
  }
}

async function send(): Promise<void> {
  const question = field.value.trim();
  if (loaded === undefined || question === '' || sendButton.hidden) return;
  field.value = '';
  setBusy(true);
  try {
    await answer(loaded, question);
  } catch (error) {
    fail(error);
  }
  setBusy(false);
  field.focus();
}

document.documentElement.lang = isChinese ? 'zh-CN' : 'en';
for (const target of document.querySelectorAll<HTMLElement>('[data-text]')) {
  const key = target.dataset.text;
  for (const [name, text] of Object.entries(texts)) if (name === key) target.textContent = text;
}
field.placeholder = texts.ask;
field.setAttribute('aria-label', texts.ask);
form.addEventListener('submit', (event) => {
  event.preventDefault();
  void send();
});
field.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  void send();
});
stopButton.addEventListener('click', () => stopping.abort());
anewButton.addEventListener('click', () => {
  loaded?.conversation.messages.splice(0);
  list.replaceChildren();
});
temperature.addEventListener('input', () => {
  temperatureValue.value = temperature.value;
});
folder.addEventListener('change', () => {
  void load(new PickedFolder(folder.files ?? [])).catch((error: unknown) => {
    picker.hidden = false;
    fail(error);
  });
});
if (location.protocol === 'file:') picker.hidden = false;
else void load(new SiteSource()).catch(fail);
