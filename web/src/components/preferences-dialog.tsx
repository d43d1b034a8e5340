/** What holds for all conversations: language, appearance, key, and the data as a whole. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { Language, Theme } from '../chat/preferences.js';
import { useValue } from '../state/observable.js';
import { confirmAction } from './confirm-dialog.js';
import { Dialog } from './dialog.js';
import { chooseFile, saveFile } from './files.js';
import { useSession, useTexts } from './session.js';

export function PreferencesDialog(): JSX.Element {
  const { workbench } = useSession();
  const say = useTexts();
  const { language, theme } = useValue(workbench.preferences);
  return (
    <Dialog title={say.preferences} kind="card">
      <Choice<Language>
        name="language"
        legend={say.language}
        value={language}
        options={[
          ['zh', '中文'],
          ['en', 'English'],
        ]}
        onChange={(value) => workbench.preferences.update((all) => ({ ...all, language: value }))}
      />
      <Choice<Theme>
        name="theme"
        legend={say.theme}
        value={theme}
        options={[
          ['system', say.themeSystem],
          ['light', say.themeLight],
          ['dark', say.themeDark],
        ]}
        onChange={(value) => workbench.preferences.update((all) => ({ ...all, theme: value }))}
      />
      <KeyField />
      <DataButtons />
    </Dialog>
  );
}

interface ChoiceProps<T extends string> {
  readonly name: string;
  readonly legend: string;
  readonly value: T;
  readonly options: readonly (readonly [T, string])[];
  readonly onChange: (value: T) => void;
}

function Choice<T extends string>({ name, legend, value, options, onChange }: ChoiceProps<T>): JSX.Element {
  return (
    <fieldset class="field">
      <legend>{legend}</legend>
      <div class="segments">
        {options.map(([option, label]) => (
          <label key={option}>
            <input type="radio" name={name} checked={option === value} onChange={() => onChange(option)} />
            <span>{label}</span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}

function KeyField(): JSX.Element {
  const { workbench, key } = useSession();
  const say = useTexts();
  const { value, isKept } = useValue(key);
  const [text, setText] = useState(value);
  const [isShown, setShown] = useState(false);
  const save = (): void => {
    key.set({ value: text.trim(), isKept });
    void workbench.server.refresh();
  };
  return (
    <form
      class="field"
      onSubmit={(event) => {
        event.preventDefault();
        save();
      }}
    >
      <label for="api-key">{say.apiKey}</label>
      <div class="row">
        <input
          id="api-key"
          {...(isShown ? { type: 'text' } : { type: 'password' })}
          autocomplete="off"
          spellcheck={false}
          value={text}
          aria-describedby="api-key-hint"
          onInput={({ currentTarget }) => setText(currentTarget.value)}
          onChange={save}
        />
        <button type="button" class="plain small" onClick={() => setShown(!isShown)}>
          {isShown ? say.hideKey : say.showKey}
        </button>
        <button type="submit" class="primary small">
          {say.save}
        </button>
      </div>
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

function DataButtons(): JSX.Element {
  const { workbench, notice } = useSession();
  const say = useTexts();
  const exportAll = async (): Promise<void> => {
    saveFile(`xinghe-${new Date().toISOString().slice(0, 10)}.json`, await workbench.library.exportAll());
  };
  const importFile = async (): Promise<void> => {
    const text = await chooseFile('.json,application/json');
    if (text === undefined) return;
    try {
      notice.set(say.imported(await workbench.library.importFile(text)));
    } catch (error) {
      notice.set(say.importFailed(error instanceof Error ? error.message : String(error)));
    }
  };
  const removeAll = async (): Promise<void> => {
    if (await confirmAction(say.confirmRemoveAll, say.removeAll)) await workbench.removeAll();
  };
  return (
    <fieldset class="field">
      <legend>{say.data}</legend>
      <div class="row wrap">
        <button type="button" class="plain small" onClick={() => void exportAll()}>
          {say.exportAll}
        </button>
        <button type="button" class="plain small" onClick={() => void importFile()}>
          {say.importFile}
        </button>
        <button type="button" class="plain small dangerous" onClick={() => void removeAll()}>
          {say.removeAll}
        </button>
      </div>
    </fieldset>
  );
}
