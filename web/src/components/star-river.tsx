/** A river of stars, the page's only picture: the same one every time, drawn by a small generator. */
import type { JSX } from 'preact';

interface Star {
  readonly x: number;
  readonly y: number;
  readonly radius: number;
  readonly kind: number;
}

const WIDTH = 640;
const HEIGHT = 190;
const stars = scatter(190);

export function StarRiver(): JSX.Element {
  return (
    <svg class="star-river" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden="true">
      <path
        class="stream"
        d={`M-10 ${course(-10)} C160 ${course(120) + 46} 300 ${course(330) - 60} 650 ${course(650)}`}
      />
      {stars.map(({ x, y, radius, kind }) => (
        <circle key={`${x} ${y}`} class={`star-${kind}`} cx={x} cy={y} r={radius} />
      ))}
      <path class="lodestar" d="M452 62l2.6 8.4 8.4 2.6-8.4 2.6-2.6 8.4-2.6-8.4-8.4-2.6 8.4-2.6z" />
    </svg>
  );
}

/** The height of the river's middle at x. */
function course(x: number): number {
  return HEIGHT / 2 + 30 * Math.sin(2.4 - x / 118) - (x - WIDTH / 2) / 14;
}

function scatter(count: number): Star[] {
  let state = 20_231;
  const random = (): number => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
  const tenth = (value: number): number => Math.round(value * 10) / 10;
  return Array.from({ length: count }, (_, index) => {
    const x = random() * WIDTH;
    // The sum of three is near its middle more often than not: a river with faint banks.
    const offset = (random() + random() + random() - 1.5) * 66;
    return {
      x: tenth(x),
      y: tenth(course(x) + offset),
      radius: tenth(0.5 + random() ** 4 * 2),
      kind: index % 4,
    };
  });
}
