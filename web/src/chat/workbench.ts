/** The state and actions of the page: conversations, messages, answers in progress. Draws nothing. */
import type { ApiClient } from '../api/client.js';
import type { Sampling } from '../api/sampling.js';
import { Branches, withChoice, withMessage } from '../conversation/branches.js';
import {
  type Attachment,
  type Conversation,
  type Message,
  newId,
  type Rating,
  type Thread,
  titleFrom,
} from '../conversation/conversation.js';
import { type Removal, removalOf, withoutMessages } from '../conversation/removal.js';
import type { ConversationStorage } from '../conversation/storage.js';
import { Observable } from '../state/observable.js';
import { Answers } from './answers.js';
import { leaveOutOldest, readPart } from './context-room.js';
import { Library } from './library.js';
import { erase, type Preferences, read, write } from './preferences.js';
import { promptOf } from './prompt.js';
import { ServerWatch } from './server-watch.js';
import type { TabLink } from './tab-link.js';
import { countTokens } from './token-count.js';
import { readUnfinished, UNFINISHED } from './unfinished.js';

export interface WorkbenchOptions {
  readonly storage: ConversationStorage;
  readonly api: ApiClient;
  readonly preferences: Observable<Preferences>;
  readonly connectTabs: (onChange: (conversationId: string) => void) => TabLink;
}

/** What a conversation may be given besides messages. */
export type ConversationChange = Partial<
  Pick<Conversation, 'model' | 'comparedModel' | 'system' | 'personaId' | 'sampling'>
>;

export class Workbench {
  readonly library: Library;
  readonly thread: Observable<Thread>;
  readonly server: ServerWatch;
  readonly answers: Answers;
  readonly preferences: Observable<Preferences>;
  readonly #api: ApiClient;
  readonly #tabs: TabLink;
  /** Messages that were deleted; an answer that ends after that must not come back. */
  readonly #removed = new Set<string>();
  #lastTime = 0;

  constructor({ storage, api, preferences, connectTabs }: WorkbenchOptions) {
    this.library = new Library(storage);
    this.preferences = preferences;
    this.#api = api;
    this.server = new ServerWatch(api);
    this.thread = new Observable(this.#emptyThread());
    this.#tabs = connectTabs((id) => void this.#takeOver(id));
    this.answers = new Answers({
      api,
      onChange: (message, isLast) => this.#keepAnswer(message, isLast),
      onFailure: (failure) => this.server.noteFailure(failure),
    });
  }

  /** Reads what is kept, and asks the server what it has. */
  async start(conversationId: string | undefined): Promise<void> {
    void this.server.refresh();
    const unfinished = readUnfinished(read(UNFINISHED));
    erase(UNFINISHED);
    await this.library.keepMessages(unfinished);
    await this.library.refresh();
    if (conversationId !== undefined) await this.open(conversationId);
  }

  /** The page is being left, and storage that answers later is out of reach. */
  leave(): void {
    const unfinished = this.answers.unfinished();
    if (unfinished.length > 0) write(UNFINISHED, JSON.stringify(unfinished));
  }

  openNew(): void {
    this.thread.set(this.#emptyThread());
  }

  async open(id: string): Promise<void> {
    const thread = await this.library.load(id);
    if (thread === undefined) {
      this.openNew();
      return;
    }
    this.thread.set(thread);
    for (const { id: messageId, state } of thread.messages.values())
      if (state === 'streaming' && !this.answers.live.value.has(messageId))
        this.#tabs.whenFree(messageId, () => void this.#markCutOff(id, messageId));
  }

  async rename(id: string, title: string): Promise<void> {
    if (title.trim() !== '') await this.#change(id, { title: title.trim(), isTitleChosen: true });
  }

  async pin(id: string, isPinned: boolean): Promise<void> {
    await this.#change(id, { isPinned });
  }

  async rate(message: Message, rating: Rating | undefined): Promise<void> {
    await this.#replace({ ...message, rating });
  }

  /** What deleting the message would take with it. */
  removal(message: Message): Removal {
    return removalOf(this.thread.value, message);
  }

  /** Of the open conversation; the last message takes the conversation with it. */
  async removeMessage(message: Message): Promise<void> {
    const removal = this.removal(message);
    const left = withoutMessages(this.thread.value, removal);
    const { id } = left.conversation;
    if (left.messages.size === 0) return this.remove(id);
    for (const gone of removal.gone) {
      this.#removed.add(gone);
      this.answers.stop(gone);
    }
    this.thread.set(left);
    await this.library.keepMessages(removal.moved);
    await this.library.removeMessages(removal.gone);
    await this.#change(id, {});
  }

  /** The model reads the conversation without its oldest turns from now on. @returns false: only the last one is left */
  async leaveOutOldest(): Promise<boolean> {
    const { thread, server, model } = this;
    const maxModelLength = server.view.value.models.find(({ id }) => id === model)?.maxModelLength;
    const readsFrom = leaveOutOldest(thread.value, maxModelLength);
    if (readsFrom === undefined) return false;
    await this.#change(thread.value.conversation.id, { readsFrom });
    return true;
  }

  async readAllAgain(): Promise<void> {
    await this.#change(this.thread.value.conversation.id, { readsFrom: undefined });
  }

  /** What could not be written is written now; other tabs have not seen it. */
  async storageReturned(): Promise<void> {
    await this.library.refresh();
    this.#tabs.announce(this.thread.value.conversation.id);
  }

  countTokens(text: string): Promise<{ tokens: number; isCounted: boolean }> {
    return countTokens(this.#api, this.model, text);
  }

  async remove(id: string): Promise<void> {
    for (const [messageId, { conversationId }] of this.answers.live.value)
      if (conversationId === id) this.answers.stop(messageId);
    await this.library.remove(id);
    this.#tabs.announce(id);
    if (this.thread.value.conversation.id === id) this.openNew();
  }

  /** Settings of the open conversation; a new one begins with the same model and sampling. */
  async configure(change: ConversationChange): Promise<void> {
    const { conversation } = this.thread.value;
    const { model = conversation.model, sampling = conversation.sampling } = change;
    this.preferences.update((preferences) => ({ ...preferences, model, sampling }));
    await this.#change(conversation.id, change);
  }

  async send(text: string, attachments: readonly Attachment[] = []): Promise<void> {
    const path = new Branches(this.thread.value).path();
    await this.#ask(path.at(-1)?.id ?? null, text, attachments);
  }

  /** The question in other words, as a version beside the old one. */
  async edit(message: Message, text: string): Promise<void> {
    await this.#ask(message.parent, text, message.attachments);
  }

  /** The answer in other words, as a version beside the old one. */
  async regenerate(message: Message): Promise<void> {
    if (message.parent === null || !this.canRegenerate(message)) return;
    this.stop();
    const model = message.comparison === undefined ? this.model : (message.model ?? this.model);
    await Promise.all(this.#answer(message.parent, [model]));
  }

  /** Not where the question has been deleted. */
  canRegenerate({ parent }: Message): boolean {
    return parent !== null && this.thread.value.messages.get(parent)?.role === 'user';
  }

  /** Goes on where an answer was cut off. */
  async continueAnswer(message: Message): Promise<void> {
    const request = {
      model: message.model ?? this.model,
      messages: this.#promptTo(message.id),
      sampling: this.sampling,
      isContinuation: true,
    };
    await this.#run({ ...message, state: 'streaming', failure: undefined }, request);
  }

  /** Shows this version; the conversation goes on with it. */
  async choose(message: Message): Promise<void> {
    this.thread.set(withChoice(this.thread.value, message.parent, message.id));
    await this.#change(message.conversationId, {});
  }

  /** Every answer of the open conversation. */
  stop(): void {
    const { id } = this.thread.value.conversation;
    for (const [messageId, { conversationId }] of this.answers.live.value)
      if (conversationId === id) this.answers.stop(messageId);
  }

  /** The model that answers in the open conversation: as chosen, if the server has it. */
  get model(): string {
    const { models } = this.server.view.value;
    const { model } = this.thread.value.conversation;
    return (models.find(({ id }) => id === model) ?? models[0])?.id ?? model ?? 'default';
  }

  get sampling(): Sampling {
    return this.thread.value.conversation.sampling;
  }

  async removeAll(): Promise<void> {
    for (const id of this.answers.live.value.keys()) this.answers.stop(id);
    await this.library.removeAll();
    this.openNew();
  }

  async #ask(
    parent: string | null,
    text: string,
    attachments: readonly Attachment[] | undefined,
  ): Promise<void> {
    this.stop();
    const { conversation } = this.thread.value;
    const question: Message = {
      id: newId(),
      conversationId: conversation.id,
      parent,
      role: 'user',
      text,
      attachments: attachments?.length === 0 ? undefined : attachments,
      createdAt: this.#now(),
    };
    this.thread.set(withChoice(withMessage(this.thread.value, question), parent, question.id));
    const isUntitled = !conversation.isTitleChosen && parent === null;
    await this.library.keepMessages([question]);
    await this.#change(
      conversation.id,
      isUntitled ? { title: titleFrom(text === '' ? (attachments?.[0]?.name ?? '') : text) } : {},
    );
    const { comparedModel } = this.thread.value.conversation;
    const models = comparedModel === null ? [this.model] : [this.model, comparedModel];
    await Promise.all(this.#answer(question.id, models));
  }

  #answer(parent: string, models: readonly string[]): Promise<void>[] {
    const { conversation } = this.thread.value;
    const messages = this.#promptTo(parent);
    const comparison = models.length > 1 ? newId() : undefined;
    const answers = models.map(
      (model): Message => ({
        id: newId(),
        conversationId: conversation.id,
        parent,
        role: 'assistant',
        text: '',
        createdAt: this.#now(),
        model,
        state: 'streaming',
        readsFrom: conversation.readsFrom,
        comparison,
      }),
    );
    const first = answers[0];
    if (first !== undefined) this.thread.set(withChoice(this.thread.value, parent, first.id));
    void this.#change(conversation.id, { updatedAt: Date.now() });
    return answers.map((answer, index) =>
      this.#run(answer, {
        model: models[index] ?? this.model,
        messages,
        sampling: conversation.sampling,
        isContinuation: false,
      }),
    );
  }

  #promptTo(id: string): ReturnType<typeof promptOf> {
    const thread = this.thread.value;
    const { read } = readPart(thread, new Branches(thread).pathTo(id));
    return promptOf(thread.conversation.system, read);
  }

  async #replace(message: Message): Promise<void> {
    this.thread.set(withMessage(this.thread.value, message));
    await this.library.keepMessages([message]);
    this.#tabs.announce(message.conversationId);
  }

  async #run(message: Message, request: Parameters<Answers['run']>[1]): Promise<void> {
    const done = this.answers.run(message, request);
    this.#tabs.whileHolding(message.id, done);
    // After `run` has entered it among the live ones, so that it is drawn as such.
    this.thread.set(withMessage(this.thread.value, message));
    await this.library.keepMessages([message]);
    await done;
  }

  async #keepAnswer(message: Message, isLast: boolean): Promise<void> {
    const { thread } = this;
    if (this.#removed.has(message.id)) return;
    // While it grows, what is shown comes from the live answer; drawing the thread for it would be waste.
    if (isLast && thread.value.conversation.id === message.conversationId)
      thread.set(withMessage(thread.value, message));
    if (this.library.find(message.conversationId) === undefined) return; // Removed meanwhile.
    await this.library.keepMessages([message]);
    if (isLast) this.#tabs.announce(message.conversationId);
  }

  async #markCutOff(conversationId: string, messageId: string): Promise<void> {
    const message = (await this.library.load(conversationId))?.messages.get(messageId);
    if (message?.state !== 'streaming') return;
    await this.#keepAnswer({ ...message, state: 'cut-off' }, true);
  }

  /** Changes the conversation where it is shown, listed and kept. One without messages is not kept. */
  async #change(id: string, change: Partial<Conversation>): Promise<void> {
    const open = this.thread.value;
    const isOpen = open.conversation.id === id;
    const before = isOpen ? open.conversation : this.library.find(id);
    if (before === undefined) return;
    const conversation = { ...before, ...change };
    if (isOpen) this.thread.set({ ...this.thread.value, conversation });
    if (isOpen && open.messages.size === 0) return;
    await this.library.keep(conversation);
    this.#tabs.announce(id);
  }

  /** Another tab changed it. */
  async #takeOver(id: string): Promise<void> {
    await this.library.refresh();
    const isBusy = [...this.answers.live.value.values()].some(({ conversationId }) => conversationId === id);
    if (this.thread.value.conversation.id === id && !isBusy) await this.open(id);
  }

  /** Milliseconds since 1970, and never the same twice: it gives versions their order. */
  #now(): number {
    this.#lastTime = Math.max(Date.now(), this.#lastTime + 1);
    return this.#lastTime;
  }

  #emptyThread(): Thread {
    const { model, sampling } = this.preferences.value;
    const now = Date.now();
    const conversation: Conversation = {
      id: newId(),
      title: '',
      isTitleChosen: false,
      createdAt: now,
      updatedAt: now,
      system: '',
      personaId: null,
      model,
      comparedModel: null,
      sampling,
      selected: {},
    };
    return { conversation, messages: new Map() };
  }
}
