/** What holds for all conversations: language, appearance, key, and the data as a whole. */
import type { JSX } from 'preact';
import type { Language, Theme } from '../chat/preferences.js';
import { useValue } from '../state/observable.js';
import { confirmAction } from './confirm-dialog.js';
import { Dialog } from './dialog.js';
import { chooseFile, saveAll } from './files.js';
import { KeyField } from './key-field.js';
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

function DataButtons(): JSX.Element {
  const { workbench, notice } = useSession();
  const say = useTexts();
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
        <button type="button" class="plain small" onClick={() => void saveAll(workbench)}>
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
