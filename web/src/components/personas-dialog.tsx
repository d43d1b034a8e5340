/** The persona library. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { newId, type Persona } from '../conversation/conversation.js';
import { useValue } from '../state/observable.js';
import { readyPersonas } from '../texts/personas.js';
import { confirmAction } from './confirm-dialog.js';
import { Dialog } from './dialog.js';
import { Icon } from './icons.js';
import { useSession, useTexts } from './session.js';

export function PersonasDialog(): JSX.Element {
  const { workbench, dialog } = useSession();
  const say = useTexts();
  const personas = useValue(workbench.library.personas);
  const { language } = useValue(workbench.preferences);
  const readyMade = readyPersonas(language, say);
  const [edited, setEdited] = useState<Persona | undefined>(undefined);
  const use = (persona: Persona): void => {
    void workbench.configure({ personaId: persona.id, system: persona.system });
    dialog.set(undefined);
  };
  const remove = async ({ id, name }: Persona): Promise<void> => {
    if (await confirmAction(say.confirmRemove(name), say.remove)) await workbench.library.removePersona(id);
  };
  return (
    <Dialog title={say.personas} kind="card">
      {edited !== undefined ? (
        <PersonaForm persona={edited} onDone={() => setEdited(undefined)} />
      ) : (
        <>
          {personas.length === 0 && <p class="hint">{say.noPersonas}</p>}
          <ul class="personas">
            {personas.map((persona) => (
              <li key={persona.id}>
                <div class="persona-text">
                  <strong>{persona.name}</strong>
                  <span>{persona.system}</span>
                </div>
                <div class="row">
                  <button type="button" class="primary small" onClick={() => use(persona)}>
                    {say.usePersona}
                  </button>
                  <button type="button" class="plain small" onClick={() => setEdited(persona)}>
                    {say.edit}
                  </button>
                  <button type="button" class="plain small dangerous" onClick={() => void remove(persona)}>
                    {say.remove}
                  </button>
                </div>
              </li>
            ))}
          </ul>
          <button
            type="button"
            class="plain"
            onClick={() => setEdited({ id: newId(), name: '', system: '' })}
          >
            <Icon name="plus" />
            {say.addPersona}
          </button>
          <h3>{say.readyMade}</h3>
          <ul class="personas">
            {readyMade.map((persona) => (
              <li key={persona.id}>
                <div class="persona-text">
                  <strong>{persona.name}</strong>
                  <span>{persona.system}</span>
                </div>
                <div class="row">
                  <button type="button" class="primary small" onClick={() => use(persona)}>
                    {say.usePersona}
                  </button>
                  <button
                    type="button"
                    class="plain small"
                    onClick={() => setEdited({ ...persona, id: newId() })}
                  >
                    {say.adaptPersona}
                  </button>
                </div>
              </li>
            ))}
          </ul>
        </>
      )}
    </Dialog>
  );
}

function PersonaForm({
  persona,
  onDone,
}: {
  readonly persona: Persona;
  readonly onDone: () => void;
}): JSX.Element {
  const { workbench } = useSession();
  const say = useTexts();
  const [name, setName] = useState(persona.name);
  const [system, setSystem] = useState(persona.system);
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void workbench.library.savePersona({ ...persona, name: name.trim(), system: system.trim() });
        onDone();
      }}
    >
      <div class="field">
        <label for="persona-name">{say.personaName}</label>
        <input
          id="persona-name"
          required
          maxLength={80}
          dir="auto"
          value={name}
          placeholder={say.personaNamePlaceholder}
          onInput={({ currentTarget }) => setName(currentTarget.value)}
        />
      </div>
      <div class="field">
        <label for="persona-system">{say.personaSystem}</label>
        <textarea
          id="persona-system"
          required
          rows={8}
          dir="auto"
          value={system}
          placeholder={say.personaSystemPlaceholder}
          onInput={({ currentTarget }) => setSystem(currentTarget.value)}
        />
      </div>
      <div class="row end">
        <button type="button" class="plain" onClick={onDone}>
          {say.cancel}
        </button>
        <button type="submit" class="primary">
          {say.save}
        </button>
      </div>
    </form>
  );
}
