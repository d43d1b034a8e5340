/** Stays as long as the browser does not keep what is said. */
import type { JSX } from 'preact';
import { useValue } from '../state/observable.js';
import { saveAll } from './files.js';
import { useSession, useTexts } from './session.js';

export function StorageBanner(): JSX.Element {
  const { workbench, storageFault } = useSession();
  const say = useTexts();
  const fault = useValue(storageFault);
  return (
    <div class="storage-banner" role="status">
      {fault !== undefined && (
        <>
          <span>{fault === 'not-open' ? say.storageClosed : say.storageFull}</span>
          <button type="button" class="link" onClick={() => void saveAll(workbench)}>
            {say.exportAll}
          </button>
        </>
      )}
    </div>
  );
}
