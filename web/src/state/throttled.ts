/** A value that changes many times a second, drawn as often as the page can afford. */
import { useLayoutEffect, useReducer, useRef } from 'preact/hooks';
import type { Observable } from './observable.js';

/** Drawing takes at most a quarter of the time, so that typing and scrolling stay quick beside a long answer. */
const PAUSE_PER_COST = 3;
const LONGEST_PAUSE_MS = 600;

/**
 * The value as of the last drawing: once a frame at most, not more often than every `minPause` milliseconds, less often where
 * drawing is costly, and not at all while nobody looks.
 */
export function useThrottled<T>(source: Observable<T>, minPause = 0): T {
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  const cost = useRef(0);
  const begun = useRef<number | undefined>(undefined);
  useLayoutEffect(() => {
    if (begun.current !== undefined) cost.current = performance.now() - begun.current;
    begun.current = undefined;
  });
  useLayoutEffect(() => {
    let frame = 0;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const draw = (): void => {
      frame = 0;
      begun.current = performance.now();
      redraw(undefined);
    };
    const end = source.subscribe(() => {
      if (frame !== 0 || timer !== undefined) return;
      const pause = Math.min(LONGEST_PAUSE_MS, Math.max(minPause, PAUSE_PER_COST * cost.current));
      timer = setTimeout(() => {
        timer = undefined;
        frame = requestAnimationFrame(draw);
      }, pause);
    });
    return () => {
      cancelAnimationFrame(frame);
      clearTimeout(timer);
      end();
    };
  }, [source, minPause]);
  return source.value;
}
