/** A screen on which the list covers the conversation. The style sheets have the same border. */
import { useEffect, useState } from 'preact/hooks';

const query = matchMedia('(max-width: 760px)');

export function isNarrow(): boolean {
  return query.matches;
}

export function useNarrow(): boolean {
  const [matches, setMatches] = useState(query.matches);
  useEffect(() => {
    const follow = (): void => setMatches(query.matches);
    query.addEventListener('change', follow);
    return () => query.removeEventListener('change', follow);
  }, []);
  return matches;
}
