/** What can be done with a whole answer or question: rated, deleted. */
import type { JSX } from 'preact';
import type { Message, Rating } from '../conversation/conversation.js';
import { IconButton } from './button.js';
import { confirmAction } from './confirm-dialog.js';
import { returnToMessageBox } from './message-box.js';
import { useSession, useTexts } from './session.js';

export function RatingButtons({ message }: { readonly message: Message }): JSX.Element {
  const { workbench } = useSession();
  const say = useTexts();
  const toggle = (rating: Rating): void =>
    void workbench.rate(message, message.rating === rating ? undefined : rating);
  return (
    <>
      <IconButton
        icon="good"
        label={say.rateGood}
        isPressed={message.rating === 'good'}
        onClick={() => toggle('good')}
      />
      <IconButton
        icon="bad"
        label={say.rateBad}
        isPressed={message.rating === 'bad'}
        onClick={() => toggle('bad')}
      />
    </>
  );
}

export function RemoveMessageButton({ message }: { readonly message: Message }): JSX.Element {
  const { workbench } = useSession();
  const say = useTexts();
  const remove = async (): Promise<void> => {
    const { gone } = workbench.removal(message);
    if (await confirmAction(say.confirmRemoveMessage(gone.length), say.remove))
      await workbench.removeMessage(message);
    returnToMessageBox();
  };
  return <IconButton icon="trash" label={say.removeMessage} onClick={() => void remove()} />;
}
