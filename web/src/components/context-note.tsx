/** Above the message box: the context is nearly full, or part of the conversation is left out. */
import type { JSX } from 'preact';
import { NEARLY_FULL, readPart, usedTokens } from '../chat/context-room.js';
import { Branches } from '../conversation/branches.js';
import { useObserved, useValue } from '../state/observable.js';
import { useChosenModel } from './header.js';
import { returnToMessageBox } from './message-box.js';
import { useSession, useTexts } from './session.js';

export function ContextNote(): JSX.Element | null {
  const { workbench } = useSession();
  const say = useTexts();
  const thread = useValue(workbench.thread);
  const models = useObserved(workbench.server.view, (view) => view.models);
  const model = useChosenModel();
  const most = models.find(({ id }) => id === model)?.maxModelLength;
  const path = new Branches(thread).path();
  const { read, leftOut } = readPart(thread, path);
  const isNearlyFull = most !== undefined && usedTokens(thread) > NEARLY_FULL * most;
  const canLeaveOut = isNearlyFull && read.filter(({ role }) => role === 'user').length > 1;
  if (leftOut === 0 && !canLeaveOut) return null;
  return (
    <p class="context-note" role="status">
      {leftOut > 0 && (
        <>
          <span>{say.leftOut(leftOut)}</span>
          <button
            type="button"
            class="link"
            onClick={() => {
              void workbench.readAllAgain();
              returnToMessageBox();
            }}
          >
            {say.readAllAgain}
          </button>
        </>
      )}
      {canLeaveOut && (
        <>
          <span>{say.contextNearlyFull}</span>
          <LeaveOutButton onDone={returnToMessageBox} />
        </>
      )}
    </p>
  );
}

/** @param onDone called when something was left out */
export function LeaveOutButton({ onDone }: { readonly onDone: () => void }): JSX.Element {
  const { workbench, notice } = useSession();
  const say = useTexts();
  const leaveOut = async (): Promise<void> => {
    if (await workbench.leaveOutOldest()) onDone();
    else notice.set(say.nothingToLeaveOut);
  };
  return (
    <button type="button" class="link" onClick={() => void leaveOut()}>
      {say.leaveOutOldest}
    </button>
  );
}
