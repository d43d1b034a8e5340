/** An answer: growing, whole, or broken off, with what it cost and what can be done with it. */
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { LiveAnswer, LiveProgress } from '../chat/answers.js';
import type { AnswerFigures, Message } from '../conversation/conversation.js';
import { Observable, useObserved } from '../state/observable.js';
import { useThrottled } from '../state/throttled.js';
import { plain, threeDigits, whole } from '../texts/numbers.js';
import { IconButton } from './button.js';
import { CopyButton } from './copy-button.js';
import { Icon } from './icons.js';
import { MarkdownView } from './markdown-view.js';
import { useSession, useTexts } from './session.js';

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
  const text = live === undefined ? message.text : growing;
  const isGrowing = live !== undefined;
  return (
    <article aria-label={message.model ?? say.assistant} aria-busy={isGrowing} data-state={message.state}>
      <div class="speaker">
        <Icon name="star" />
        <span>{message.model ?? say.assistant}</span>
        {choice}
      </div>
      {isNear ? <MarkdownView text={text} isGrowing={isGrowing} /> : <p class="plain-text">{text}</p>}
      {live !== undefined ? (
        <Progress live={live} isEmpty={text === ''} />
      ) : (
        <>
          <Remark message={message} isLast={isLast} />
          <div class={`actions ${isLast ? 'always' : ''}`}>
            {versions}
            <CopyButton text={message.text} />
            {message.state === 'complete' && (
              <IconButton
                icon="again"
                label={say.regenerate}
                onClick={() => void workbench.regenerate(message)}
              />
            )}
            {message.figures !== undefined && <Figures figures={message.figures} />}
          </div>
        </>
      )}
    </article>
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
          <button type="button" class="plain small" onClick={() => void workbench.continueAnswer(message)}>
            <Icon name="forward" />
            {say.continueAnswer}
          </button>
        )}
        {state !== 'complete' && !isElsewhere && (
          <button type="button" class="plain small" onClick={() => void workbench.regenerate(message)}>
            <Icon name="again" />
            {say.regenerate}
          </button>
        )}
        {failure?.kind === 'unauthorized' && (
          <button type="button" class="plain small" onClick={() => dialog.set('preferences')}>
            {say.enterKey}
          </button>
        )}
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
