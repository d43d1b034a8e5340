/** The page before the first question. */
import type { JSX } from 'preact';
import { useValue } from '../state/observable.js';
import { whole } from '../texts/numbers.js';
import { useChosenModel } from './header.js';
import { useSession, useTexts } from './session.js';
import { StarRiver } from './star-river.js';

export function Welcome(): JSX.Element {
  const { workbench, proposal } = useSession();
  const say = useTexts();
  const { models } = useValue(workbench.server.view);
  const chosen = useChosenModel();
  const model = models.find(({ id }) => id === chosen);
  const adapters = models.filter(({ parent }) => parent !== undefined).length;
  const facts = [
    model === undefined ? say.welcomeNoServer : say.welcomeModel(model.id),
    model?.maxModelLength !== undefined && say.welcomeContext(whole(model.maxModelLength)),
    adapters > 0 && say.welcomeAdapters(adapters),
  ].filter((fact) => fact !== false);
  return (
    <section class="welcome">
      <StarRiver />
      <h2>{say.welcome}</h2>
      <p class="facts">{facts.join(' · ')}</p>
      <h3 class="off-screen">{say.tryThese}</h3>
      <ul class="examples">
        {say.examples.map(({ title, text }) => (
          <li key={title}>
            <button
              type="button"
              onClick={() => proposal.update(({ count }) => ({ text, count: count + 1 }))}
            >
              <strong>{title}</strong>
              <span>{text}</span>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
