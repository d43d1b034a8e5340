/** Sampling of a conversation, beside what the model does by itself. */
import type { JSX } from 'preact';
import { SAMPLING_FIELDS, SAMPLING_RANGES, type SamplingField } from '../api/sampling.js';
import { useObserved } from '../state/observable.js';
import { plain } from '../texts/numbers.js';
import { useSession, useTexts } from './session.js';

export function SamplingFields(): JSX.Element {
  const { workbench } = useSession();
  const say = useTexts();
  return (
    <fieldset class="sampling">
      <legend>{say.sampling}</legend>
      <p class="hint">{say.samplingHint}</p>
      {SAMPLING_FIELDS.map((name) => (
        <SamplingRow key={name} name={name} />
      ))}
      <button type="button" class="plain small" onClick={() => void workbench.configure({ sampling: {} })}>
        {say.resetSampling}
      </button>
    </fieldset>
  );
}

function SamplingRow({ name }: { readonly name: SamplingField }): JSX.Element {
  const { workbench } = useSession();
  const say = useTexts();
  const value = useObserved(workbench.thread, ({ conversation }) => conversation.sampling[name]);
  const ofModel = useObserved(workbench.server.view, ({ defaults }) => defaults[name]);
  const { min, max, slider, step, otherwise } = SAMPLING_RANGES[name];
  const standing = ofModel ?? otherwise;
  const set = (text: string): void => {
    const { [name]: _, ...others } = workbench.sampling;
    const number = text.trim() === '' ? Number.NaN : Number(text);
    const isSet = Number.isFinite(number);
    const inRange = Math.min(max, Math.max(min, number));
    void workbench.configure({ sampling: isSet ? { ...others, [name]: inRange } : others });
  };
  return (
    <div class={`sampling-row ${value === undefined ? '' : 'set'}`}>
      <label for={`sampling-${name}`}>{say.samplingNames[name]}</label>
      <input
        id={`sampling-${name}`}
        type="number"
        inputMode="decimal"
        min={min}
        max={max}
        step={step}
        value={value ?? ''}
        placeholder={standing === undefined ? say.unset : plain(standing)}
        aria-describedby={`hint-${name}`}
        onChange={({ currentTarget }) => set(currentTarget.value)}
      />
      {slider !== undefined && (
        <input
          type="range"
          min={slider[0]}
          max={slider[1]}
          step={step}
          value={value ?? standing ?? slider[0]}
          aria-label={say.samplingNames[name]}
          onInput={({ currentTarget }) => set(currentTarget.value)}
        />
      )}
      <p class="hint" id={`hint-${name}`}>
        {say.samplingHints[name]}
        {standing !== undefined && value !== undefined && <span> {say.modelDefault(plain(standing))}</span>}
      </p>
    </div>
  );
}
