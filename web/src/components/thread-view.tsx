/** The conversation, held at its end while answers grow, unless the reader has scrolled away. */
import { Fragment, type JSX } from 'preact';
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { readPart } from '../chat/context-room.js';
import { Branches } from '../conversation/branches.js';
import { useValue } from '../state/observable.js';
import { IconButton } from './button.js';
import { useSession, useTexts } from './session.js';
import { TurnView } from './turn-view.js';
import { Welcome } from './welcome.js';

/** Pixels from the end within which a reader counts as being there. */
const NEAR_END = 60;

export function ThreadView(): JSX.Element {
  const { workbench } = useSession();
  const say = useTexts();
  const thread = useValue(workbench.thread);
  const turns = useMemo(() => new Branches(thread).turns(), [thread]);
  const { leftOut } = readPart(
    thread,
    turns.map(({ message }) => message),
  );
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const isHeld = useRef(true);
  const [isAway, setAway] = useState(false);
  const toEnd = (): void => {
    isHeld.current = true;
    setAway(false);
    scroller.current?.scrollTo({ top: scroller.current.scrollHeight });
  };
  const last = turns.at(-1)?.message;
  // Another conversation, or a new question or answer at the end: go there.
  useLayoutEffect(toEnd, [thread.conversation.id, last?.id]);
  useEffect(() => {
    const observer = new ResizeObserver(() => {
      if (isHeld.current) scroller.current?.scrollTo({ top: scroller.current.scrollHeight });
    });
    if (content.current !== null) observer.observe(content.current);
    if (scroller.current !== null) observer.observe(scroller.current);
    return () => observer.disconnect();
  }, []);
  const onScroll = (): void => {
    const { scrollTop = 0, scrollHeight = 0, clientHeight = 0 } = scroller.current ?? {};
    isHeld.current = scrollHeight - scrollTop - clientHeight < NEAR_END;
    setAway(!isHeld.current);
  };
  return (
    <div class="thread-frame">
      <div class="scroller" ref={scroller} onScroll={onScroll}>
        <div class="thread" ref={content} role="log" aria-live="off" aria-label={say.conversationLog}>
          {turns.length === 0 ? (
            <Welcome />
          ) : (
            turns.map((turn, index) => (
              <Fragment key={turn.message.parent ?? ''}>
                {index > 0 && index === leftOut && <p class="left-out-border">{say.readsFromHere}</p>}
                <TurnView
                  turn={turn}
                  isLast={index === turns.length - 1}
                  isLeftOut={index < leftOut}
                  scroller={scroller}
                />
              </Fragment>
            ))
          )}
        </div>
      </div>
      {isAway && turns.length > 0 && (
        <IconButton icon="down" label={say.jumpToLatest} onClick={toEnd} class="jump" />
      )}
    </div>
  );
}
