/** Puts the page together and starts it. */
import './styles/index.css';
import { render } from 'preact';
import { ApiClient } from './api/client.js';
import { loadKey, loadPreferences } from './chat/preferences.js';
import { linkTabs } from './chat/tab-link.js';
import { Workbench } from './chat/workbench.js';
import { App } from './components/app.js';
import { isNarrow } from './components/narrow.js';
import { createSession, SessionContext } from './components/session.js';
import { openIndexedDb } from './conversation/indexed-db-storage.js';
import { LastingStorage } from './conversation/lasting-storage.js';

const ADDRESS = /^#\/c\/([\w-]+)$/;

async function start(): Promise<void> {
  const root = document.getElementById('app');
  if (root === null) throw new Error('the page has no #app');
  const key = loadKey();
  const preferences = loadPreferences(navigator.languages);
  // On a narrow screen the list would cover what one came for.
  if (isNarrow()) preferences.update((all) => ({ ...all, isSidebarOpen: false }));
  const storage = new LastingStorage(openIndexedDb());
  const workbench = new Workbench({
    storage,
    api: new ApiClient(document.baseURI, () => key.value.value),
    preferences,
    connectTabs: linkTabs,
  });
  const session = createSession(workbench, key, storage.fault);
  const ready = workbench.start(ADDRESS.exec(location.hash)?.[1]);
  followAddress(workbench);
  // What lay in a browser that took its time.
  storage.fault.subscribe(() => {
    if (storage.fault.value === undefined) void workbench.storageReturned();
  });
  addEventListener('pagehide', () => workbench.leave());
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible') workbench.server.lookAgain();
  });
  await ready;
  // What stands there says that this script did not come.
  root.replaceChildren();
  render(
    <SessionContext.Provider value={session}>
      <App />
    </SessionContext.Provider>,
    root,
  );
  document.getElementById('message-box')?.focus();
}

/** The address names the open conversation, so that reloading, going back and bookmarks work. */
function followAddress(workbench: Workbench): void {
  workbench.thread.subscribe(() => {
    const { conversation, messages } = workbench.thread.value;
    const address = messages.size === 0 ? '' : `#/c/${conversation.id}`;
    if (address === location.hash) return;
    history.pushState(null, '', address === '' ? location.pathname + location.search : address);
  });
  addEventListener('popstate', () => {
    const id = ADDRESS.exec(location.hash)?.[1];
    if (id === undefined) workbench.openNew();
    else if (id !== workbench.thread.value.conversation.id) void workbench.open(id);
  });
}

void start();
