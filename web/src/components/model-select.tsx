/** The models of the server and, below each, its adapters. */
import type { JSX } from 'preact';
import { useObserved } from '../state/observable.js';
import { useSession, useTexts } from './session.js';

interface ModelSelectProps {
  readonly label: string;
  readonly value: string;
  readonly onChange: (id: string) => void;
}

export function ModelSelect({ label, value, onChange }: ModelSelectProps): JSX.Element {
  const say = useTexts();
  const { workbench } = useSession();
  const models = useObserved(workbench.server.view, (view) => view.models);
  const roots = models.filter(
    ({ parent }) => parent === undefined || !models.some(({ id }) => id === parent),
  );
  return (
    <select
      class="model-select"
      aria-label={label}
      title={`${label}: ${value}`}
      value={value}
      disabled={models.length === 0}
      onChange={({ currentTarget }) => onChange(currentTarget.value)}
    >
      {models.length === 0 && <option value={value}>{say.noModel}</option>}
      {models.length > 0 && !models.some(({ id }) => id === value) && <option value={value}>{value}</option>}
      {roots.flatMap((root) => [
        <option key={root.id} value={root.id}>
          {root.id}
        </option>,
        ...models
          .filter(({ parent }) => parent === root.id)
          .map(({ id }) => (
            <option key={id} value={id} title={say.adapterOf(root.id)}>
              {`+ ${id}`}
            </option>
          )),
      ])}
    </select>
  );
}
