/** The API key: given, shown, kept or not. */
import type { JSX } from 'preact';
import { useRef, useState } from 'preact/hooks';
import { useValue } from '../state/observable.js';
import { useSession, useTexts } from './session.js';

export function KeyField({ isFirst = false }: { readonly isFirst?: boolean }): JSX.Element {
  const { workbench, key } = useSession();
  const say = useTexts();
  const { value, isKept } = useValue(key);
  const [text, setText] = useState(value);
  const [isShown, setShown] = useState(false);
  const isWanted = useValue(workbench.server.view).connection === 'key-needed';
  const [tried, setTried] = useState(value);
  const input = useRef<HTMLInputElement>(null);
  const save = async (): Promise<void> => {
    const given = text.trim();
    key.set({ value: given, isKept });
    await workbench.server.refresh();
    setTried(given);
    if (workbench.server.view.value.connection === 'key-needed') input.current?.select();
  };
  const isRefused = isWanted && tried !== '' && tried === text.trim();
  return (
    <form
      class="field"
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <label for="api-key">{say.apiKey}</label>
      <div class="row">
        <input
          id="api-key"
          ref={input}
          {...(isShown ? { type: 'text' } : { type: 'password' })}
          autocomplete="off"
          spellcheck={false}
          autofocus={isFirst}
          value={text}
          aria-invalid={isRefused}
          aria-describedby="api-key-hint"
          onInput={({ currentTarget }) => setText(currentTarget.value)}
        />
        <button type="button" class="plain small" onClick={() => setShown(!isShown)}>
          {isShown ? say.hideKey : say.showKey}
        </button>
        <button type="submit" class="primary small">
          {say.save}
        </button>
      </div>
      <p class="refusal" role="alert">
        {isRefused && say.keyRefused}
      </p>
      <label class="tick">
        <input
          type="checkbox"
          checked={isKept}
          onChange={({ currentTarget }) => key.set({ value: text.trim(), isKept: currentTarget.checked })}
        />
        {say.keepKey}
      </label>
      <p class="hint" id="api-key-hint">
        {say.apiKeyHint}
      </p>
    </form>
  );
}
