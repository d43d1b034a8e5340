/** Where messages are written. */
import type { JSX } from 'preact';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { usedTokens } from '../chat/context-room.js';
import { Branches } from '../conversation/branches.js';
import { useObserved, useValue } from '../state/observable.js';
import { whole } from '../texts/numbers.js';
import { AttachmentChips } from './attachment-views.js';
import { IconButton } from './button.js';
import { ContextNote } from './context-note.js';
import { useDraft } from './draft.js';
import { useFileDrop } from './file-drop.js';
import { chooseFiles } from './files.js';
import { useChosenModel } from './header.js';
import { Icon } from './icons.js';
import { MESSAGE_BOX } from './message-box.js';
import { hasKeyboard, isSendKey } from './send-key.js';
import { useSession, useTexts } from './session.js';

export function Composer(): JSX.Element {
  const { workbench, proposal, editing, dialog } = useSession();
  const say = useTexts();
  const area = useRef<HTMLTextAreaElement>(null);
  const [draft, { change, attach, clear }] = useDraft();
  const { text, attachments, refusals, isReading } = draft;
  useFileDrop(attach);
  const isBusy = useIsAnswering();
  const proposed = useValue(proposal);

  useEffect(() => {
    if (proposed.count === 0) return;
    change({ text: proposed.text });
    area.current?.focus();
  }, [proposed]);
  useLayoutEffect(() => {
    const { current } = area;
    if (current === null) return;
    current.style.height = 'auto';
    current.style.height = `${current.scrollHeight}px`;
  }, [text]);

  const trimmed = text.trim();
  const isEmpty = trimmed === '' && attachments.length === 0;
  const send = (): void => {
    if (isEmpty || isBusy || isReading) return;
    // Else it would be sent in vain, and the next thing typed might be the key.
    if (workbench.server.view.value.connection === 'key-needed') {
      dialog.set('key');
      return;
    }
    clear();
    area.current?.focus();
    void workbench.send(trimmed, attachments);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (isSendKey(event)) {
      event.preventDefault();
      send();
    } else if (event.key === 'ArrowUp' && text === '' && !event.isComposing) {
      const last = new Branches(workbench.thread.value).path().findLast(({ role }) => role === 'user');
      if (last === undefined) return;
      event.preventDefault();
      editing.set(last.id);
    }
  };
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <ContextNote />
      <div class="box">
        <AttachmentChips
          attachments={attachments}
          onRemove={(gone) => {
            change({ attachments: attachments.filter((other) => other !== gone) });
            area.current?.focus();
          }}
        />
        <div class="refusals" role="alert">
          {refusals.map((refusal) => (
            <p key={refusal}>{refusal}</p>
          ))}
        </div>
        <textarea
          id={MESSAGE_BOX}
          ref={area}
          rows={1}
          dir="auto"
          value={text}
          aria-label={say.messageBox}
          aria-describedby="enter-hint"
          placeholder={say.messagePlaceholder}
          enterkeyhint={hasKeyboard() ? 'send' : 'enter'}
          onInput={({ currentTarget }) => change({ text: currentTarget.value })}
          onPaste={(event) => {
            const files = [...(event.clipboardData?.files ?? [])];
            // A table from a spreadsheet comes as a picture too; then the text is meant.
            if (files.length === 0 || event.clipboardData?.types.includes('text/plain') === true) return;
            event.preventDefault();
            attach(files);
          }}
          onKeyDown={onKeyDown}
        />
        <div class="box-foot">
          <IconButton
            icon="clip"
            label={isReading ? say.readingFiles : say.attach}
            isDisabled={isReading}
            onClick={() =>
              void chooseFiles('', true).then((files) => {
                attach(files);
                area.current?.focus();
              })
            }
          />
          <SystemChip />
          <ContextUse />
          <span class="off-screen" id="enter-hint">
            {hasKeyboard() ? say.enterHint : ''}
          </span>
          {isBusy ? (
            <button
              type="button"
              class="send stop"
              aria-label={say.stop}
              title={say.stop}
              onClick={() => workbench.stop()}
            >
              <Icon name="stop" />
            </button>
          ) : (
            <button
              type="submit"
              class="send"
              aria-label={say.send}
              title={say.send}
              disabled={isEmpty || isReading}
            >
              <Icon name="send" />
            </button>
          )}
        </div>
      </div>
    </form>
  );
}

export function useIsAnswering(): boolean {
  const { workbench } = useSession();
  const id = useObserved(workbench.thread, ({ conversation }) => conversation.id);
  return useObserved(workbench.answers.live, (live) =>
    [...live.values()].some(({ conversationId }) => conversationId === id),
  );
}

/** How full the model's memory is after the last answer; before the first one, how to send. */
function ContextUse(): JSX.Element {
  const { workbench } = useSession();
  const say = useTexts();
  const thread = useValue(workbench.thread);
  const models = useObserved(workbench.server.view, (view) => view.models);
  const model = useChosenModel();
  const most = models.find(({ id }) => id === model)?.maxModelLength;
  const used = usedTokens(thread);
  if (most === undefined || used === 0)
    return <span class="foot-note">{hasKeyboard() ? say.enterHint : ''}</span>;
  return (
    <span class={`foot-note ${used > 0.85 * most ? 'near-full' : ''}`}>
      {say.contextUse(whole(used), whole(most))}
    </span>
  );
}

function SystemChip(): JSX.Element {
  const { workbench, dialog } = useSession();
  const say = useTexts();
  const { system, personaId } = useObserved(workbench.thread, ({ conversation }) => conversation);
  const own = useValue(workbench.library.personas).find(({ id }) => id === personaId);
  const ready = Object.entries(say.readyPersonas).find(([id]) => id === personaId);
  const name = own?.name ?? ready?.[1];
  const isSet = system.trim() !== '';
  const label = name !== undefined ? say.personaInUse(name) : isSet ? say.systemInUse : say.persona;
  return (
    <button
      type="button"
      class={`chip ${isSet ? 'set' : ''}`}
      aria-haspopup="dialog"
      onClick={() => dialog.set('conversation')}
    >
      <Icon name="mask" />
      <span>{label}</span>
    </button>
  );
}
