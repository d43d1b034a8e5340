/** An answer: growing, whole, or broken off, with what it cost and what can be done with it. */
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { LiveAnswer, LiveProgress } from '../chat/answers.js';
import type { AnswerFigures, Message } from '../conversation/conversation.js';
import { splitThinking, withoutThinking } from '../conversation/thinking.js';
import { Observable, useObserved } from '../state/observable.js';
import { useThrottled } from '../state/throttled.js';
import { plain, threeDigits, whole } from '../texts/numbers.js';
import { RatingButtons, RemoveMessageButton } from './answer-actions.js';
import { IconButton } from './button.js';
import { LeaveOutButton } from './context-note.js';
import { CopyButton } from './copy-button.js';
import { Icon } from './icons.js';
import { MarkdownView } from './markdown-view.js';
import { returnToMessageBox } from './message-box.js';
import { useSession, useTexts } from './session.js';
import { ThinkingView } from './thinking-view.js';

interface AnswerProps {
  readonly message: Message;
  readonly versions: ComponentChildren;
  readonly isLast: boolean;
  readonly isNear: boolean;
  readonly choice?: ComponentChildren;
}

const NOTHING = new Observable('');

export function AnswerView({ message, versions, isLast, isNear, choice }: AnswerProps): JSX.Element {
  const { workbench } = useSession();
  const say = useTexts();
  const live = useObserved(workbench.answers.live, (all) => all.get(message.id));
  const growing = useThrottled(live?.text ?? NOTHING);
  const reasoningGrowing = useThrottled(live?.reasoning ?? NOTHING);
  const text = live === undefined ? message.text : growing;
  const reasoning = (live === undefined ? message.reasoning : reasoningGrowing) ?? '';
  const isGrowing = live !== undefined;
  return (
    <article aria-label={message.model ?? say.assistant} aria-busy={isGrowing} data-state={message.state}>
      <div class="speaker">
        <Icon name="star" />
        <span>{message.model ?? say.assistant}</span>
        {choice}
      </div>
      {reasoning !== '' && <ThinkingView text={reasoning} isGrowing={isGrowing && text === ''} />}
      {isNear ? (
        <AnswerText text={text} isGrowing={isGrowing} />
      ) : (
        <p class="plain-text" dir="auto">
          {withoutThinking(text)}
        </p>
      )}
      {live !== undefined ? (
        <Progress live={live} isEmpty={text === '' && reasoning === ''} />
      ) : (
        <>
          <Remark message={message} isLast={isLast} />
          <div class={`actions ${isLast ? 'always' : ''}`}>
            {versions}
            <CopyButton text={withoutThinking(message.text)} />
            {message.state === 'complete' && workbench.canRegenerate(message) && (
              <IconButton
                icon="again"
                label={say.regenerate}
                onClick={() => {
                  void workbench.regenerate(message);
                  returnToMessageBox();
                }}
              />
            )}
            {message.text !== '' && <RatingButtons message={message} />}
            {message.state !== 'streaming' && <RemoveMessageButton message={message} />}
            {message.figures !== undefined && <Figures figures={message.figures} />}
          </div>
        </>
      )}
    </article>
  );
}

/** Thoughts folded, the rest drawn. */
function AnswerText({
  text,
  isGrowing,
}: {
  readonly text: string;
  readonly isGrowing: boolean;
}): JSX.Element {
  const parts = splitThinking(text, isGrowing);
  return (
    <>
      {parts.map((part, index) => {
        const isLast = isGrowing && index === parts.length - 1;
        return part.kind === 'thinking' ? (
          <ThinkingView key={index} text={part.text} isGrowing={isLast && part.isOpen} />
        ) : (
          <MarkdownView key={index} text={part.text} isGrowing={isLast} />
        );
      })}
    </>
  );
}

function Progress({ live, isEmpty }: { readonly live: LiveAnswer; readonly isEmpty: boolean }): JSX.Element {
  const say = useTexts();
  const { tokens, tokensPerSecond, waiting } = useThrottled(live.progress, 120);
  if (waiting !== undefined) return <Waiting waiting={waiting} />;
  return (
    <div class="progress">
      <span class="pulse" aria-hidden="true" />
      {isEmpty ? (
        <span>{say.thinking}</span>
      ) : (
        <span class="figures">
          {say.tokens(whole(tokens))}
          {tokensPerSecond !== undefined && ` · ${say.speed(threeDigits(tokensPerSecond))}`}
        </span>
      )}
    </div>
  );
}

function Waiting({ waiting }: { readonly waiting: NonNullable<LiveProgress['waiting']> }): JSX.Element {
  const say = useTexts();
  const secondsLeft = (): number => Math.max(0, Math.ceil((waiting.until - Date.now()) / 1000));
  const [seconds, setSeconds] = useState(secondsLeft());
  useEffect(() => {
    setSeconds(secondsLeft());
    const timer = setInterval(() => setSeconds(secondsLeft()), 250);
    return () => clearInterval(timer);
  }, [waiting]);
  return (
    <p class="remark" role="status">
      {say.waiting(say.failures[waiting.failure.kind], seconds)}
    </p>
  );
}

/** Why an answer is not whole, and the ways on. */
function Remark({
  message,
  isLast,
}: {
  readonly message: Message;
  readonly isLast: boolean;
}): JSX.Element | null {
  const { workbench, dialog } = useSession();
  const say = useTexts();
  const { state, failure, finishReason } = message;
  const text = useRemarkText(message);
  if (text === undefined) return null;
  const isElsewhere = state === 'streaming';
  const canContinue =
    isLast && !isElsewhere && message.text !== '' && (state !== 'complete' || finishReason === 'length');
  const { detail = '' } = failure ?? {};
  const again = (): void => {
    void workbench.regenerate(message);
    returnToMessageBox();
  };
  return (
    <div
      class={`remark ${failure === undefined ? '' : 'failure'}`}
      role={failure === undefined ? undefined : 'alert'}
    >
      <p>
        {text}
        {detail !== '' && <span class="detail">{detail}</span>}
      </p>
      <div class="row">
        {canContinue && (
          <button
            type="button"
            class="plain small"
            onClick={() => {
              void workbench.continueAnswer(message);
              returnToMessageBox();
            }}
          >
            <Icon name="forward" />
            {say.continueAnswer}
          </button>
        )}
        {state !== 'complete' && !isElsewhere && workbench.canRegenerate(message) && (
          <button type="button" class="plain small" onClick={again}>
            <Icon name="again" />
            {say.regenerate}
          </button>
        )}
        {failure?.kind === 'unauthorized' && (
          <button type="button" class="plain small" onClick={() => dialog.set('key')}>
            {say.enterKey}
          </button>
        )}
        {failure?.kind === 'too-long' && isLast && <LeaveOutButton onDone={again} />}
      </div>
    </div>
  );
}

function useRemarkText({ state, failure, finishReason }: Message): string | undefined {
  const say = useTexts();
  if (failure !== undefined) return say.failures[failure.kind];
  switch (state) {
    case 'stopped':
      return say.stateStopped;
    case 'cut-off':
    case 'failed':
      return say.stateCutOff;
    case 'streaming': // And not here.
      return say.stateElsewhere;
    case 'complete':
    case undefined:
      return finishReason === 'length' ? say.stateLength : undefined;
    default:
      return state satisfies never;
  }
}

/** The two that matter; the rest on demand. */
function Figures({ figures }: { readonly figures: AnswerFigures }): JSX.Element {
  const say = useTexts();
  const [isWhole, setWhole] = useState(false);
  const { promptTokens, completionTokens, cachedTokens, tokensPerSecond, firstTextMs } = figures;
  const speed = tokensPerSecond !== undefined && say.speed(threeDigits(tokensPerSecond));
  const short = [say.tokens(whole(completionTokens)), speed];
  const more = [
    promptTokens > 0 && say.promptTokens(whole(promptTokens)),
    cachedTokens > 0 && say.cachedTokens(whole(cachedTokens)),
    firstTextMs !== undefined && say.firstText(plain(Math.round(firstTextMs / 10) / 100)),
  ];
  const join = (parts: readonly (string | false)[]): string =>
    parts.filter((part) => part !== false).join(' · ');
  return (
    <button
      type="button"
      class="figures"
      aria-expanded={isWhole}
      title={join([...short, ...more])}
      onClick={() => setWhole(!isWhole)}
    >
      {join(isWhole ? [...short, ...more] : short)}
    </button>
  );
}
