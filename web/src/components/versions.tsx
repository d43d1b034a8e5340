/** ‹ 2 / 3 ›: the versions of a message. */
import type { JSX } from 'preact';
import type { Turn } from '../conversation/branches.js';
import { IconButton } from './button.js';
import { useSession, useTexts } from './session.js';

export function Versions({ turn: { version, versions } }: { readonly turn: Turn }): JSX.Element | null {
  const { workbench, announcement } = useSession();
  const say = useTexts();
  if (versions.length < 2) return null;
  const show = (index: number): void => {
    const message = versions[index];
    if (message === undefined) return;
    announcement.set(say.versionOf(index + 1, versions.length));
    void workbench.choose(message);
  };
  return (
    <span class="versions">
      <IconButton
        icon="left"
        label={say.previousVersion}
        isDisabled={version === 0}
        onClick={() => show(version - 1)}
      />
      <span class="version-count">{say.versionOf(version + 1, versions.length)}</span>
      <IconButton
        icon="right"
        label={say.nextVersion}
        isDisabled={version === versions.length - 1}
        onClick={() => show(version + 1)}
      />
    </span>
  );
}
