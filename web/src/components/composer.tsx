/** Where messages are written. */
import type { JSX } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { Branches } from '../conversation/branches.js';
import { useObserved, useValue } from '../state/observable.js';
import { whole } from '../texts/numbers.js';
import { useChosenModel } from './header.js';
import { Icon } from './icons.js';
import { hasKeyboard, isSendKey } from './send-key.js';
import { useSession, useTexts } from './session.js';

export const MESSAGE_BOX = 'message-box';

export function Composer(): JSX.Element {
  const { workbench, proposal, editing } = useSession();
  const say = useTexts();
  const area = useRef<HTMLTextAreaElement>(null);
  const [text, setText] = useDraft();
  const isBusy = useIsAnswering();
  const proposed = useValue(proposal);

  useEffect(() => {
    if (proposed.count === 0) return;
    setText(proposed.text);
    area.current?.focus();
  }, [proposed]);
  useLayoutEffect(() => {
    const { current } = area;
    if (current === null) return;
    current.style.height = 'auto';
    current.style.height = `${current.scrollHeight}px`;
  }, [text]);

  const send = (): void => {
    const trimmed = text.trim();
    if (trimmed === '' || isBusy) return;
    setText('');
    area.current?.focus();
    void workbench.send(trimmed);
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
      <div class="box">
        <textarea
          id={MESSAGE_BOX}
          ref={area}
          rows={1}
          value={text}
          aria-label={say.messageBox}
          aria-describedby="enter-hint"
          placeholder={say.messagePlaceholder}
          enterkeyhint={hasKeyboard() ? 'send' : 'enter'}
          onInput={({ currentTarget }) => setText(currentTarget.value)}
          onKeyDown={onKeyDown}
        />
        <div class="box-foot">
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
              disabled={text.trim() === ''}
            >
              <Icon name="send" />
            </button>
          )}
        </div>
      </div>
    </form>
  );
}

/** What is written and not sent stays with its conversation. */
function useDraft(): [string, (text: string) => void] {
  const { workbench } = useSession();
  const id = useObserved(workbench.thread, ({ conversation }) => conversation.id);
  const [drafts, setDrafts] = useState<Readonly<Record<string, string>>>({});
  return [
    drafts[id] ?? '',
    (text) => setDrafts((all) => ({ ...all, [workbench.thread.value.conversation.id]: text })),
  ];
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
  const figures = new Branches(thread).path().findLast((message) => message.figures !== undefined)?.figures;
  const most = models.find(({ id }) => id === model)?.maxModelLength;
  const used = figures === undefined ? 0 : figures.promptTokens + figures.completionTokens;
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
  const persona = useValue(workbench.library.personas).find(({ id }) => id === personaId);
  const isSet = system.trim() !== '';
  const label =
    persona !== undefined ? say.personaInUse(persona.name) : isSet ? say.systemInUse : say.persona;
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
