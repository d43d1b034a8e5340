/** The list of conversations: found, opened, renamed, exported, deleted. */
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Conversation } from '../conversation/conversation.js';
import { toJson, toMarkdown } from '../conversation/export-file.js';
import { useObserved, useValue } from '../state/observable.js';
import type { Texts } from '../texts/texts.js';
import { IconButton } from './button.js';
import { confirmAction } from './confirm-dialog.js';
import { saveFile } from './files.js';
import { Icon } from './icons.js';
import { Menu } from './menu.js';
import { useSession, useTexts } from './session.js';

export function Sidebar({ onLeave }: { readonly onLeave: () => void }): JSX.Element {
  const { workbench, dialog, search } = useSession();
  const say = useTexts();
  return (
    <aside class="sidebar" id="sidebar" aria-label={say.conversations}>
      <div class="brand">
        <span class="brand-star">
          <Icon name="star" />
        </span>
        <span class="brand-name">{say.appName}</span>
        <IconButton icon="sidebar" label={say.closeSidebar} onClick={() => setSidebar(workbench, false)} />
      </div>
      <button
        type="button"
        class="new-conversation"
        onClick={() => {
          workbench.openNew();
          onLeave();
        }}
      >
        <Icon name="plus" />
        {say.newConversation}
      </button>
      <div class="search">
        <Icon name="search" />
        <input
          type="search"
          id="search"
          aria-label={say.searchConversations}
          placeholder={say.searchConversations}
          value={useValue(search)}
          onInput={({ currentTarget }) => search.set(currentTarget.value)}
        />
      </div>
      <ConversationList onLeave={onLeave} />
      <div class="sidebar-foot">
        <button type="button" class="quiet" onClick={() => dialog.set('personas')}>
          <Icon name="mask" />
          {say.personas}
        </button>
        <button type="button" class="quiet" onClick={() => dialog.set('preferences')}>
          <Icon name="gear" />
          {say.preferences}
        </button>
        <IconButton
          icon="keyboard"
          label={say.shortcuts}
          onClick={() => dialog.set('shortcuts')}
          class="wide-only"
        />
      </div>
    </aside>
  );
}

export function setSidebar(
  workbench: ReturnType<typeof useSession>['workbench'],
  isSidebarOpen: boolean,
): void {
  workbench.preferences.update((preferences) => ({ ...preferences, isSidebarOpen }));
}

function ConversationList({ onLeave }: { readonly onLeave: () => void }): JSX.Element {
  const { workbench, search } = useSession();
  const say = useTexts();
  const all = useValue(workbench.library.conversations);
  const open = useObserved(workbench.thread, ({ conversation }) => conversation.id);
  const wanted = useValue(search).trim();
  const withText = useTextSearch(wanted);
  const isFound = ({ id, title }: Conversation): boolean =>
    title.toLowerCase().includes(wanted.toLowerCase()) || withText.has(id);
  const shown = wanted === '' ? all : all.filter(isFound);
  return (
    <nav class="conversation-list" aria-label={say.conversations}>
      {shown.length === 0 && <p class="hint">{wanted === '' ? say.noConversations : say.nothingFound}</p>}
      {groupByDay(shown, say).map(([name, group]) => (
        <section key={name}>
          <h2>{name}</h2>
          <ul>
            {group.map((conversation) => (
              <Entry
                key={conversation.id}
                conversation={conversation}
                isOpen={conversation.id === open}
                onLeave={onLeave}
              />
            ))}
          </ul>
        </section>
      ))}
    </nav>
  );
}

interface EntryProps {
  readonly conversation: Conversation;
  readonly isOpen: boolean;
  readonly onLeave: () => void;
}

function Entry({ conversation, isOpen, onLeave }: EntryProps): JSX.Element {
  const { workbench } = useSession();
  const say = useTexts();
  const [isRenaming, setRenaming] = useState(false);
  const { id, title } = conversation;
  const isBusy = useObserved(workbench.answers.live, (live) =>
    [...live.values()].some(({ conversationId }) => conversationId === id),
  );
  const exportAs = async (kind: 'md' | 'json'): Promise<void> => {
    const thread = await workbench.library.load(id);
    if (thread === undefined) return;
    const labels = { user: say.you, assistant: say.assistant, system: say.system };
    saveFile(`${title}.${kind}`, kind === 'md' ? toMarkdown(thread, labels) : toJson([thread], []));
  };
  const remove = async (): Promise<void> => {
    if (await confirmAction(say.confirmRemove(title), say.remove)) await workbench.remove(id);
  };
  if (isRenaming)
    return (
      <li class="entry">
        <RenameField
          title={title}
          onDone={(chosen) => {
            setRenaming(false);
            if (chosen !== undefined) void workbench.rename(id, chosen);
          }}
        />
      </li>
    );
  return (
    <li class={`entry ${isOpen ? 'open' : ''}`}>
      <button
        type="button"
        class="entry-title"
        aria-current={isOpen ? 'page' : undefined}
        onClick={() => {
          void workbench.open(id);
          onLeave();
        }}
        onDblClick={() => setRenaming(true)}
      >
        {isBusy && <span class="pulse" aria-hidden="true" />}
        {conversation.isPinned === true && <Icon name="pin" />}
        <span class="entry-text" dir="auto">
          {title}
        </span>
      </button>
      <Menu
        label={say.actionsFor(title)}
        items={[
          {
            label: conversation.isPinned === true ? say.unpin : say.pin,
            run: () => void workbench.pin(id, conversation.isPinned !== true),
          },
          { label: say.rename, run: () => setRenaming(true) },
          { label: say.exportMarkdown, run: () => void exportAs('md') },
          { label: say.exportJson, run: () => void exportAs('json') },
          { label: say.remove, run: () => void remove(), isDangerous: true },
        ]}
      />
    </li>
  );
}

interface RenameFieldProps {
  readonly title: string;
  /** undefined: leave it as it is. */
  readonly onDone: (title: string | undefined) => void;
}

export function RenameField({ title, onDone }: RenameFieldProps): JSX.Element {
  const say = useTexts();
  const input = useRef<HTMLInputElement>(null);
  const isDone = useRef(false);
  useEffect(() => input.current?.select(), []);
  // Going away, the field loses the focus too; what was decided first holds.
  const finish = (chosen: string | undefined): void => {
    if (isDone.current) return;
    isDone.current = true;
    onDone(chosen);
  };
  return (
    <input
      class="rename"
      dir="auto"
      ref={input}
      aria-label={say.newTitle}
      defaultValue={title}
      onBlur={({ currentTarget }) => finish(currentTarget.value)}
      onKeyDown={(event) => {
        if (event.isComposing) return;
        if (event.key === 'Enter') finish(event.currentTarget.value);
        if (event.key !== 'Escape') return;
        event.stopPropagation();
        finish(undefined);
      }}
    />
  );
}

/** Conversations in whose messages the text stands; looked up once typing pauses. */
function useTextSearch(wanted: string): ReadonlySet<string> {
  const { workbench } = useSession();
  const [found, setFound] = useState<ReadonlySet<string>>(new Set());
  useEffect(() => {
    const controller = new AbortController();
    setFound(new Set());
    if (wanted === '') return undefined;
    const timer = setTimeout(async () => {
      const result = await workbench.library.search(wanted, controller.signal);
      if (!controller.signal.aborted) setFound(result);
    }, 150);
    return () => {
      clearTimeout(timer);
      controller.abort();
    };
  }, [wanted, workbench]);
  return found;
}

const DAY_MS = 86_400_000;

function groupByDay(conversations: readonly Conversation[], say: Texts): [string, Conversation[]][] {
  const midnight = new Date().setHours(0, 0, 0, 0);
  const groups = new Map<string, Conversation[]>();
  const isPinned = ({ isPinned: pinned }: Conversation): boolean => pinned === true;
  const pinnedFirst = [
    ...conversations.filter(isPinned),
    ...conversations.filter((conversation) => !isPinned(conversation)),
  ];
  for (const conversation of pinnedFirst) {
    const age = midnight - conversation.updatedAt;
    const name =
      conversation.isPinned === true
        ? say.pinned
        : age <= 0
          ? say.today
          : age <= DAY_MS
            ? say.yesterday
            : age <= 7 * DAY_MS
              ? say.lastWeek
              : say.earlier;
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [conversation]);
    else group.push(conversation);
  }
  return [...groups];
}
