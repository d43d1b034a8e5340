/** One place of the conversation: a question, an answer, or two answers side by side. */
import type { JSX, RefObject } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Turn } from '../conversation/branches.js';
import { AnswerView } from './answer-view.js';
import { Icon } from './icons.js';
import { QuestionView } from './question-view.js';
import { scheduleDraw } from './schedule-draw.js';
import { useSession, useTexts } from './session.js';
import { Versions } from './versions.js';

interface TurnProps {
  readonly turn: Turn;
  readonly isLast: boolean;
  /** The model does not read it any more. */
  readonly isLeftOut: boolean;
  readonly scroller: RefObject<HTMLElement | null>;
}

export function TurnView({ turn, isLast, isLeftOut, scroller }: TurnProps): JSX.Element {
  const { message, shown } = turn;
  const element = useRef<HTMLDivElement>(null);
  const isNear = useNear(element, scroller, isLast);
  const kept = isLeftOut ? 'left-out' : '';
  const versions = <Versions turn={turn} />;
  if (message.role === 'user')
    return (
      <div class={`turn question ${kept}`} ref={element}>
        <QuestionView message={message} versions={versions} isNear={isNear} />
      </div>
    );
  if (shown.length === 1)
    return (
      <div class={`turn answer ${kept}`} ref={element}>
        <AnswerView message={message} versions={versions} isLast={isLast} isNear={isNear} />
      </div>
    );
  return (
    <div class={`turn comparison ${kept}`} ref={element}>
      <div class="columns">
        {shown.map((answer) => (
          <div class={`column ${answer.id === message.id ? 'chosen' : ''}`} key={answer.id}>
            <AnswerView
              message={answer}
              versions={null}
              isLast={isLast}
              isNear={isNear}
              choice={<Choice isChosen={answer.id === message.id} turn={turn} id={answer.id} />}
            />
          </div>
        ))}
      </div>
      {versions}
    </div>
  );
}

function Choice({ isChosen, turn, id }: { isChosen: boolean; turn: Turn; id: string }): JSX.Element {
  const { workbench } = useSession();
  const say = useTexts();
  return (
    <button
      type="button"
      class="choice"
      aria-pressed={isChosen}
      title={isChosen ? say.chosenAnswer : say.continueWithThis}
      onClick={() => {
        const answer = turn.shown.find((message) => message.id === id);
        if (answer !== undefined) void workbench.choose(answer);
      }}
    >
      {isChosen && <Icon name="check" />}
      {say.continueWithThis}
    </button>
  );
}

/**
 * Whether the turn has been near what is seen. Until then its text stands there plainly, in about the same height: long
 * conversations open at once, and the browser still finds every word.
 */
function useNear(
  element: RefObject<HTMLElement | null>,
  scroller: RefObject<HTMLElement | null>,
  isLast: boolean,
): boolean {
  const [isNear, setNear] = useState(isLast);
  useEffect(() => {
    if (isNear || element.current === null) return undefined;
    const observer = new IntersectionObserver(
      (entries) => {
        if (entries.some(({ isIntersecting }) => isIntersecting)) scheduleDraw(() => setNear(true));
      },
      { root: scroller.current, rootMargin: '1500px 0px' },
    );
    observer.observe(element.current);
    return () => observer.disconnect();
  }, [isNear, element, scroller]);
  return isNear || isLast;
}
