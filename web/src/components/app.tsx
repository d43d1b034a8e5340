/** The page as a whole. */
import type { JSX } from 'preact';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { useObserved, useValue } from '../state/observable.js';
import { languageTag } from '../texts/texts.js';
import { Composer, useIsAnswering } from './composer.js';
import { ConfirmDialog } from './confirm-dialog.js';
import { ConnectionBanner } from './connection-banner.js';
import { Header } from './header.js';
import { KeyDialog, useKeyDialog } from './key-dialog.js';
import { LazyDialog } from './lazy-dialog.js';
import { MESSAGE_BOX } from './message-box.js';
import { isNarrow, useNarrow } from './narrow.js';
import { useSession, useTexts } from './session.js';
import { useShortcuts } from './shortcuts.js';
import { Sidebar, setSidebar } from './sidebar.js';
import { StorageBanner } from './storage-banner.js';
import { ThreadView } from './thread-view.js';

export function App(): JSX.Element {
  const { workbench, dialog } = useSession();
  const say = useTexts();
  const isSidebarOpen = useObserved(workbench.preferences, (preferences) => preferences.isSidebarOpen);
  const opened = useValue(dialog);
  const isCovering = useNarrow();
  useDocument();
  useShortcuts();
  useKeyDialog();
  const leaveSidebar = (): void => {
    if (isNarrow()) setSidebar(workbench, false);
    document.getElementById(MESSAGE_BOX)?.focus();
  };
  return (
    <div class="shell" data-sidebar={isSidebarOpen ? 'open' : 'closed'}>
      <a class="skip" href={`#${MESSAGE_BOX}`} onClick={focusMessageBox}>
        {say.skipToInput}
      </a>
      {isSidebarOpen && <Sidebar onLeave={leaveSidebar} />}
      {isSidebarOpen && (
        <button
          type="button"
          class="scrim"
          tabIndex={-1}
          aria-label={say.closeSidebar}
          onClick={() => setSidebar(workbench, false)}
        />
      )}
      <main class="main" inert={isSidebarOpen && isCovering}>
        <Header />
        <ConnectionBanner />
        <StorageBanner />
        <ThreadView />
        <Composer />
      </main>
      <LazyDialog />
      {opened === 'key' && <KeyDialog />}
      <ConfirmDialog />
      <Notice />
      <Announcer />
    </div>
  );
}

/** Not by the address: its fragment names the conversation. */
function focusMessageBox(event: MouseEvent): void {
  event.preventDefault();
  document.getElementById(MESSAGE_BOX)?.focus();
}

/** The theme, the language and the title of the document follow. */
function useDocument(): void {
  const { workbench } = useSession();
  const say = useTexts();
  const { theme, language } = useValue(workbench.preferences);
  const title = useObserved(workbench.thread, ({ conversation }) => conversation.title);
  useLayoutEffect(() => {
    const root = document.documentElement;
    root.lang = languageTag[language];
    if (theme === 'system') delete root.dataset.theme;
    else root.dataset.theme = theme;
    document.title = title === '' ? say.appName : `${title} · ${say.appName}`;
  }, [theme, language, title, say]);
}

function Notice(): JSX.Element {
  const { notice } = useSession();
  const text = useValue(notice);
  useEffect(() => {
    if (text === '') return undefined;
    const timer = setTimeout(() => notice.set(''), 3200);
    return () => clearTimeout(timer);
  }, [text, notice]);
  return (
    <div class="notice" role="status">
      {text !== '' && <span>{text}</span>}
    </div>
  );
}

/** Tells screen readers when an answer begins and ends; reading every word as it comes would be noise. */
function Announcer(): JSX.Element {
  const { workbench, announcement } = useSession();
  const say = useTexts();
  const isAnswering = useIsAnswering();
  const wasAnswering = useRef(false);
  const text = useValue(announcement);
  useEffect(() => {
    if (isAnswering) announcement.set(say.answering);
    else if (wasAnswering.current) {
      const last = [...workbench.thread.value.messages.values()].at(-1);
      announcement.set(
        last?.state === 'stopped' ? say.answerStopped : say.answerDone(last?.figures?.completionTokens ?? 0),
      );
    }
    wasAnswering.current = isAnswering;
  }, [isAnswering]);
  return (
    <div class="off-screen" role="status" id="announcer">
      {text}
    </div>
  );
}
