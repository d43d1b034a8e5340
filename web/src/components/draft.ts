/** What is written and not sent stays with its conversation. */
import { useState } from 'preact/hooks';
import type { Attachment } from '../conversation/conversation.js';
import { useObserved } from '../state/observable.js';
import { takeFiles } from './attach-files.js';
import { useSession, useTexts } from './session.js';

export interface Draft {
  readonly text: string;
  readonly attachments: readonly Attachment[];
  /** Why files were not taken; until the next ones, or the message is sent. */
  readonly refusals: readonly string[];
  /** Files are being read and counted. */
  readonly isReading: boolean;
}

const EMPTY: Draft = { text: '', attachments: [], refusals: [], isReading: false };

interface DraftActions {
  change(change: Partial<Draft>): void;
  attach(files: readonly File[]): void;
  clear(): void;
}

export function useDraft(): [Draft, DraftActions] {
  const { workbench } = useSession();
  const say = useTexts();
  const id = useObserved(workbench.thread, ({ conversation }) => conversation.id);
  const [drafts, setDrafts] = useState<Readonly<Record<string, Draft>>>({});
  const set = (of: string, change: Partial<Draft>): void =>
    setDrafts((all) => ({ ...all, [of]: { ...EMPTY, ...all[of], ...change } }));
  const draft = drafts[id] ?? EMPTY;
  const attach = async (files: readonly File[]): Promise<void> => {
    if (files.length === 0) return;
    set(id, { isReading: true, refusals: [] });
    const taken = await takeFiles(files, draft.attachments, workbench, say);
    set(id, { ...taken, isReading: false });
  };
  return [
    draft,
    {
      change: (change) => set(workbench.thread.value.conversation.id, change),
      attach: (files) => void attach(files),
      clear: () => set(workbench.thread.value.conversation.id, EMPTY),
    },
  ];
}
