/** What this conversation is set to: persona, system text, sampling. */
import type { JSX } from 'preact';
import { newId } from '../conversation/conversation.js';
import { useObserved, useValue } from '../state/observable.js';
import { readyPersonas } from '../texts/personas.js';
import { Dialog } from './dialog.js';
import { SamplingFields } from './sampling-fields.js';
import { useSession, useTexts } from './session.js';

export function ConversationDialog(): JSX.Element {
  const say = useTexts();
  return (
    <Dialog title={say.conversationSettings} kind="drawer">
      <SystemFields />
      <SamplingFields />
    </Dialog>
  );
}

function SystemFields(): JSX.Element {
  const { workbench, dialog } = useSession();
  const say = useTexts();
  const { system, personaId, title } = useObserved(workbench.thread, ({ conversation }) => conversation);
  const personas = useValue(workbench.library.personas);
  const { language } = useValue(workbench.preferences);
  const readyMade = readyPersonas(language, say);
  const choose = (id: string): void => {
    const persona = [...personas, ...readyMade].find((known) => known.id === id);
    void workbench.configure({ personaId: persona?.id ?? null, system: persona?.system ?? '' });
  };
  const saveAsPersona = async (): Promise<void> => {
    const persona = { id: newId(), name: title || say.addPersona, system };
    await workbench.library.savePersona(persona);
    await workbench.configure({ personaId: persona.id });
    dialog.set('personas');
  };
  return (
    <fieldset>
      <legend class="off-screen">{say.persona}</legend>
      <div class="field">
        <label for="persona">{say.persona}</label>
        <div class="row">
          <select
            id="persona"
            value={personaId ?? ''}
            onChange={({ currentTarget }) => choose(currentTarget.value)}
          >
            <option value="">{say.noPersona}</option>
            {personas.map(({ id, name }) => (
              <option key={id} value={id}>
                {name}
              </option>
            ))}
            <optgroup label={say.readyMade}>
              {readyMade.map(({ id, name }) => (
                <option key={id} value={id}>
                  {name}
                </option>
              ))}
            </optgroup>
          </select>
          <button type="button" class="plain small" onClick={() => dialog.set('personas')}>
            {say.managePersonas}
          </button>
        </div>
      </div>
      <div class="field">
        <label for="system">{say.systemText}</label>
        <textarea
          id="system"
          rows={5}
          dir="auto"
          value={system}
          placeholder={say.systemPlaceholder}
          onInput={({ currentTarget }) =>
            void workbench.configure({ system: currentTarget.value, personaId: null })
          }
        />
        {system.trim() !== '' && personaId === null && (
          <button type="button" class="link" onClick={() => void saveAsPersona()}>
            {say.saveAsPersona}
          </button>
        )}
      </div>
    </fieldset>
  );
}
