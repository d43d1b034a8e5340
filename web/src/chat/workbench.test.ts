import { describe, expect, it, vi } from 'vitest';
import { ApiClient, type ChatRequest, type ChatUpdate } from '../api/client.js';
import { ServerError } from '../api/errors.js';
import { Branches } from '../conversation/branches.js';
import type { Message } from '../conversation/conversation.js';
import { MemoryStorage } from '../conversation/storage.js';
import { loadPreferences } from './preferences.js';
import type { TabLink } from './tab-link.js';
import { Workbench } from './workbench.js';

type Script = (request: ChatRequest, signal: AbortSignal) => AsyncGenerator<ChatUpdate>;

/** A server that answers by a script and has two models. */
class ScriptedApi extends ApiClient {
  readonly asked: ChatRequest[] = [];
  script: Script = async function* () {
    yield { text: '因为' };
    yield { text: '散射。', usage: { promptTokens: 9, completionTokens: 2, cachedTokens: 0 } };
    yield { finishReason: 'stop' };
  };

  constructor() {
    super('http://test/', () => '');
  }

  override async health(): Promise<void> {}

  override async models(): ReturnType<ApiClient['models']> {
    return ['one', 'two'].map((id) => ({ id, parent: undefined, maxModelLength: 100 }));
  }

  override async properties(): ReturnType<ApiClient['properties']> {
    return { defaults: { temperature: 0.3 }, chatFault: undefined };
  }

  override chat(request: ChatRequest, signal: AbortSignal): AsyncGenerator<ChatUpdate> {
    this.asked.push(request);
    return this.script(request, signal);
  }
}

const alone: TabLink = { announce: () => {}, whileHolding: () => {}, whenFree: (_, then) => then() };

async function openWorkbench(
  storage = new MemoryStorage(),
  tabs: TabLink = alone,
): Promise<{ workbench: Workbench; api: ScriptedApi; storage: MemoryStorage }> {
  const api = new ScriptedApi();
  const preferences = loadPreferences(['zh-CN']);
  const workbench = new Workbench({ storage, api, preferences, connectTabs: () => tabs });
  await workbench.start(undefined);
  await vi.waitFor(() => expect(workbench.server.view.value.connection).toBe('ready'));
  return { workbench, api, storage };
}

const path = (workbench: Workbench): Message[] => new Branches(workbench.thread.value).path();
const texts = (workbench: Workbench): string[] => path(workbench).map(({ text }) => text);
const last = (workbench: Workbench): Message => {
  const message = path(workbench).at(-1);
  if (message === undefined) throw new Error('the thread is empty');
  return message;
};

describe('Workbench', () => {
  it('asks, keeps the answer, and finds it again', async () => {
    const { workbench, storage } = await openWorkbench();
    await workbench.send('为什么天空是蓝的？');
    expect(texts(workbench)).toEqual(['为什么天空是蓝的？', '因为散射。']);
    expect(last(workbench)).toMatchObject({
      state: 'complete',
      model: 'one',
      figures: { completionTokens: 2 },
    });
    const { workbench: again } = await openWorkbench(storage);
    const [conversation] = again.library.conversations.value;
    expect(conversation?.title).toBe('为什么天空是蓝的？');
    await again.open(conversation?.id ?? '');
    expect(texts(again)).toEqual(['为什么天空是蓝的？', '因为散射。']);
    expect(await again.library.search('散射', new AbortController().signal)).toContain(conversation?.id);
  });

  it('holds an answer against other tabs until its end is kept', async () => {
    /** As a browser on a busy machine. */
    class SlowStorage extends MemoryStorage {
      override async save(...content: Parameters<MemoryStorage['save']>): Promise<void> {
        await new Promise((resolve) => setTimeout(resolve, 20));
        await super.save(...content);
      }
    }
    const storage = new SlowStorage();
    let found: Promise<string | undefined> | undefined;
    const tabs: TabLink = {
      ...alone,
      whileHolding(messageId, work) {
        found = work.then(async () => {
          const { conversationId } = last(workbench);
          return (await storage.messages(conversationId)).find(({ id }) => id === messageId)?.state;
        });
      },
    };
    const { workbench } = await openWorkbench(storage, tabs);
    await workbench.send('为什么天空是蓝的？');
    expect(await found).toBe('complete');
  });

  it('sends the system text, the settings and the path that is shown', async () => {
    const { workbench, api } = await openWorkbench();
    await workbench.configure({ system: '你是老师', sampling: { temperature: 0.9 }, model: 'two' });
    await workbench.send('一');
    await workbench.send('二');
    expect(api.asked.at(-1)).toEqual({
      model: 'two',
      messages: [
        { role: 'system', content: '你是老师' },
        { role: 'user', content: '一' },
        { role: 'assistant', content: '因为散射。' },
        { role: 'user', content: '二' },
      ],
      sampling: { temperature: 0.9 },
      isContinuation: false,
    });
  });

  it('answers again and takes edited questions as versions', async () => {
    const { workbench, api } = await openWorkbench();
    await workbench.send('一');
    await workbench.regenerate(last(workbench));
    expect(new Branches(workbench.thread.value).turns()[1]).toMatchObject({
      version: 1,
      versions: { length: 2 },
    });
    const [question] = path(workbench);
    if (question === undefined) throw new Error('no question');
    await workbench.edit(question, '一（改）');
    expect(texts(workbench)).toEqual(['一（改）', '因为散射。']);
    expect(api.asked.at(-1)?.messages).toEqual([{ role: 'user', content: '一（改）' }]);
    await workbench.choose(question);
    expect(texts(workbench)[0]).toBe('一');
  });

  it('stops: the signal falls, what came stays', async () => {
    const { workbench, api } = await openWorkbench();
    let wasAborted = false;
    api.script = async function* (_, signal) {
      yield { text: '开头' };
      await new Promise((_, reject) => {
        signal.addEventListener('abort', () => {
          wasAborted = true;
          reject(signal.reason);
        });
      });
    };
    const sending = workbench.send('一');
    await vi.waitFor(() => expect([...workbench.answers.live.value.values()][0]?.text.value).toBe('开头'));
    workbench.stop();
    await sending;
    expect(wasAborted).toBe(true);
    expect(last(workbench)).toMatchObject({ text: '开头', state: 'stopped' });
    expect(workbench.answers.live.value.size).toBe(0);
  });

  it('keeps what came before the connection broke, and goes on from there', async () => {
    const { workbench, api } = await openWorkbench();
    api.script = async function* () {
      yield { text: '天空' };
      throw new ServerError({ kind: 'connection-lost', detail: '' });
    };
    await workbench.send('一');
    expect(last(workbench)).toMatchObject({
      text: '天空',
      state: 'cut-off',
      failure: { kind: 'connection-lost' },
    });
    api.script = async function* () {
      yield { text: '是蓝的' };
      yield { finishReason: 'stop' };
    };
    await workbench.continueAnswer(last(workbench));
    expect(last(workbench)).toMatchObject({ text: '天空是蓝的', state: 'complete', failure: undefined });
    expect(api.asked.at(-1)).toMatchObject({
      isContinuation: true,
      messages: [
        { role: 'user', content: '一' },
        { role: 'assistant', content: '天空' },
      ],
    });
  });

  it('waits where a busy server asks for it, and tries again', async () => {
    const { workbench, api } = await openWorkbench();
    const answer = api.script;
    let refusals = 2;
    api.script = async function* (request, signal) {
      if (refusals-- > 0) throw new ServerError({ kind: 'busy', detail: 'full' }, 0);
      yield* answer(request, signal);
    };
    await workbench.send('一');
    expect(api.asked).toHaveLength(3);
    expect(last(workbench)).toMatchObject({ state: 'complete', text: '因为散射。' });
  });

  it('tells that a key is needed', async () => {
    const { workbench, api } = await openWorkbench();
    // biome-ignore lint/correctness/useYield: it fails before it has anything
    api.script = async function* () {
      throw new ServerError({ kind: 'unauthorized', detail: 'no key' });
    };
    await workbench.send('一');
    expect(workbench.server.view.value.connection).toBe('key-needed');
    expect(last(workbench)).toMatchObject({ text: '', state: 'failed' });
  });

  it('compares two models on one question, and goes on with the chosen one', async () => {
    const { workbench, api } = await openWorkbench();
    api.script = async function* ({ model }) {
      yield { text: `我是 ${model}` };
      yield { finishReason: 'stop' };
    };
    await workbench.configure({ comparedModel: 'two' });
    await workbench.send('你是谁？');
    const turn = new Branches(workbench.thread.value).turns()[1];
    expect(turn?.shown.map(({ text }) => text)).toEqual(['我是 one', '我是 two']);
    const second = turn?.shown[1];
    if (second === undefined) throw new Error('no second answer');
    await workbench.choose(second);
    await workbench.configure({ comparedModel: null });
    await workbench.send('再说一遍');
    expect(api.asked.at(-1)?.messages[1]).toEqual({ role: 'assistant', content: '我是 two' });
  });

  it('marks answers of a page that is gone as cut off', async () => {
    const { workbench, storage } = await openWorkbench();
    await workbench.send('一');
    await storage.save([], [{ ...last(workbench), state: 'streaming', text: '半句' }]);
    const { workbench: reloaded } = await openWorkbench(storage);
    await reloaded.open(workbench.thread.value.conversation.id);
    await vi.waitFor(() => expect(last(reloaded)).toMatchObject({ state: 'cut-off', text: '半句' }));
  });

  it('leaves nothing of a conversation that is deleted while it is answered', async () => {
    const { workbench, api, storage } = await openWorkbench();
    api.script = async function* (_, signal) {
      yield { text: '开头' };
      await new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason));
      });
    };
    const { id } = workbench.thread.value.conversation;
    const sending = workbench.send('一');
    await vi.waitFor(() => expect(workbench.answers.live.value.size).toBe(1));
    await workbench.remove(id);
    await sending;
    expect(await storage.messages(id)).toEqual([]);
    expect(workbench.library.conversations.value).toEqual([]);
    expect(workbench.thread.value.messages.size).toBe(0);
  });

  it('keeps a chosen title, and imports what it exported', async () => {
    const { workbench } = await openWorkbench();
    await workbench.send('一');
    const { id } = workbench.thread.value.conversation;
    await workbench.rename(id, ' 我的题目 ');
    await workbench.send('二');
    expect(workbench.library.conversations.value[0]?.title).toBe('我的题目');
    await workbench.library.savePersona({ id: 'p', name: '猫', system: '喵' });
    const file = await workbench.library.exportAll();
    const { workbench: other } = await openWorkbench();
    expect(await other.library.importFile(file)).toBe(1);
    await other.open(other.library.conversations.value[0]?.id ?? '');
    expect(texts(other)).toEqual(['一', '因为散射。', '二', '因为散射。']);
    expect(other.library.personas.value).toMatchObject([{ name: '猫' }]);
  });
});
