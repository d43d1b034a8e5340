/** The head of a conversation: its title, who answers, and the way to its settings. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { useObserved, useValue } from '../state/observable.js';
import { IconButton } from './button.js';
import { returnToMessageBox } from './message-box.js';
import { ModelSelect } from './model-select.js';
import { useSession, useTexts } from './session.js';
import { RenameField, setSidebar } from './sidebar.js';

export function Header(): JSX.Element {
  const { workbench, dialog } = useSession();
  const say = useTexts();
  const isSidebarOpen = useObserved(workbench.preferences, (preferences) => preferences.isSidebarOpen);
  const compared = useObserved(workbench.thread, ({ conversation }) => conversation.comparedModel);
  const models = useObserved(workbench.server.view, (view) => view.models);
  const model = useChosenModel();
  const compare = (): void => {
    const other = models.find(({ id }) => id !== model)?.id ?? model;
    void workbench.configure({ comparedModel: compared === null ? other : null });
  };
  return (
    <header class="bar">
      {!isSidebarOpen && (
        <IconButton
          icon="sidebar"
          label={say.openSidebar}
          isExpanded={false}
          onClick={() => setSidebar(workbench, true)}
        />
      )}
      {!isSidebarOpen && (
        <IconButton
          icon="plus"
          label={say.newConversation}
          onClick={() => {
            workbench.openNew();
            returnToMessageBox();
          }}
        />
      )}
      <Title />
      <div class="models">
        <ModelSelect
          label={say.model}
          value={model}
          onChange={(id) => void workbench.configure({ model: id })}
        />
        {compared !== null && (
          <>
            <span class="versus" aria-hidden="true">
              ⁄
            </span>
            <ModelSelect
              label={say.secondModel}
              value={compared}
              onChange={(id) => void workbench.configure({ comparedModel: id })}
            />
          </>
        )}
        <IconButton
          icon="columns"
          label={compared === null ? say.compare : say.stopComparing}
          isPressed={compared !== null}
          isDisabled={models.length === 0}
          onClick={compare}
        />
      </div>
      <IconButton
        icon="sliders"
        label={say.conversationSettings}
        hasPopup="dialog"
        onClick={() => dialog.set('conversation')}
      />
    </header>
  );
}

/** As the workbench has it; drawn again when the server's list or the conversation's choice changes. */
export function useChosenModel(): string {
  const { workbench } = useSession();
  useObserved(workbench.thread, ({ conversation }) => conversation.model);
  useObserved(workbench.server.view, ({ models }) => models);
  return workbench.model;
}

function Title(): JSX.Element {
  const { workbench } = useSession();
  const say = useTexts();
  const [isRenaming, setRenaming] = useState(false);
  const { id, title } = useObserved(workbench.thread, ({ conversation }) => conversation);
  const isKept = useValue(workbench.library.conversations).some((known) => known.id === id);
  if (isRenaming)
    return (
      <h1 class="title">
        <RenameField
          title={title}
          onDone={(chosen) => {
            setRenaming(false);
            if (chosen !== undefined) void workbench.rename(id, chosen);
          }}
        />
      </h1>
    );
  return (
    <h1 class="title">
      {isKept ? (
        <button type="button" dir="auto" title={say.rename} onClick={() => setRenaming(true)}>
          {title}
        </button>
      ) : (
        <span class="off-screen">{say.untitled}</span>
      )}
    </h1>
  );
}
