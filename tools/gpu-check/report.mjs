// The sections of the report, as Markdown. Figures are those that the parts printed; nothing is estimated.

/** @typedef {{ seconds: number, lines: any[], fault?: string }} Outcome */

/** Published peaks of dense 16-bit products, TFLOP/s, and bandwidths, GB/s, by a part of the name that nvidia-smi gives. */
const peaks = [
  { name: 'H200', tflops: 989, bandwidth: 4800 },
  { name: 'H100 PCIe', tflops: 756, bandwidth: 2000 },
  { name: 'H100', tflops: 989, bandwidth: 3350 },
  { name: 'A100', tflops: 312, bandwidth: 2039 },
];

/** @type {(typeof peaks)[number] | undefined} */
let peak;

/** @param {any} facts @returns {string} */
export function machineSection({ device, gpus, cpu, system, load, node, torch, date, setup }) {
  peak = device === 'cpu' ? undefined : peaks.find(({ name }) => gpus[0]?.includes(name));
  return [
    `# gpu-check on ${device === 'cpu' ? 'the CPU (small shapes: a trial of the check itself)' : (gpus[0] ?? device)}`,
    '',
    `- Date: ${date} UTC; load before: ${load}`,
    `- Devices (name, driver, memory, clock): ${gpus.length === 0 ? 'nvidia-smi names none' : gpus.join('; ')}`,
    `- Processor: ${cpu}; ${system}`,
    `- PyTorch, its CUDA: ${torch}; Node ${node}`,
    `- Compiled against that libtorch: ${setup.fault === undefined ? `yes, in ${setup.seconds.toFixed(0)} s` : `no: ${setup.fault}`}`,
    ...(peak === undefined
      ? []
      : [
          `- Shares are of the published ${peak.tflops} TFLOP/s (bfloat16, dense) and ${peak.bandwidth} GB/s`,
        ]),
  ].join('\n');
}

/** @param {string} title @param {Outcome} outcome @returns {{ text: string, isMet: boolean }} */
export function goldenSection(title, { seconds, lines, fault }) {
  const wanted = lines[0]?.tests ?? 0;
  const results = lines.slice(1);
  const failed = results.filter((result) => result.fault !== undefined);
  const isMet = wanted > 0 && results.length === wanted && failed.length === 0;
  const rest = wanted - results.length;
  return {
    isMet,
    text: [
      `## ${title}`,
      '',
      `${results.length - failed.length} of ${wanted} tests passed, ${failed.length} failed, ${rest} did not run; ${seconds.toFixed(0)} s. ` +
        'Files and tolerances: tests/golden/README.md (16-bit training: losses to 0.12 of float64).',
      ...(fault === undefined ? [] : ['', `The run: ${fault}`]),
      ...(failed.length === 0 ? [] : ['', '| failed | found |', '| --- | --- |']),
      ...failed.map((result) => `| ${result.name} | ${cell(result.fault)} |`),
    ].join('\n'),
  };
}

/** @param {{ ours: Outcome, eager: Outcome, compiled: Outcome }} sides */
export function trainingSection(sides) {
  const rows = Object.entries(named(sides)).map(([name, side]) => {
    const [result] = side.lines;
    if (result === undefined) return `| ${name} | ${cell(side.fault ?? 'no figure')} | | | |`;
    const tflops = (result.flopsPerStep / result.secondsPerStep / 1e12).toPrecision(4);
    const share = peak === undefined ? '' : `${((Number(tflops) / peak.tflops) * 100).toFixed(1)} %`;
    return `| ${name} | ${(result.secondsPerStep * 1e3).toFixed(1)} | ${Math.round(result.tokens / result.secondsPerStep)} | ${tflops} | ${share} |`;
  });
  const shape = sides.ours.lines[0] ?? sides.eager.lines[0];
  return [
    '## Training',
    '',
    shape === undefined
      ? 'No side gave a figure.'
      : `${shape.layers} layers, ${shape.hidden}/${shape.ffn}, ${shape.heads} heads, ${shape.dtype}, ${shape.tokens} tokens; forward, backward, clipping, AdamW; the best step. ` +
        '6 operations for each parameter but the embedding, and attention, halved for causality.',
    '',
    '| | ms a step | tokens/s | TFLOP/s | MFU |',
    '| --- | --- | --- | --- | --- |',
    ...rows,
    '',
    ratios(sides, (result) => 1 / result.secondsPerStep),
  ].join('\n');
}

/** @param {{ ours: Outcome, eager: Outcome, compiled: Outcome }} sides */
export function decodeSection(sides) {
  const rows = ['bfloat16', 'int4'].flatMap((dtype) =>
    Object.entries(named(sides)).map(([name, side]) => {
      const result = side.lines.find((line) => line.dtype === dtype);
      if (result === undefined) return `| ${dtype} | ${name} | ${cell(side.fault ?? 'not measured')} | | | |`;
      const rate = result.weightBytes / result.secondsPerToken / 1e9;
      const share = `${((rate / (peak?.bandwidth ?? result.measuredBandwidth)) * 100).toFixed(1)} %`;
      return `| ${dtype} | ${name} | ${(1 / result.secondsPerToken).toFixed(1)} | ${rate.toFixed(0)} | ${share} | ${result.measuredBandwidth.toFixed(0)} |`;
    }),
  );
  const shape = sides.ours.lines[0] ?? sides.eager.lines[0];
  return [
    '## Decode, one sequence',
    '',
    shape === undefined
      ? 'No side gave a figure.'
      : `${shape.layers} layers, ${shape.hidden}/${shape.ffn}, ${shape.heads} heads, ${shape.context} tokens of context; bytes of weights read for each token.`,
    '',
    `| weights | | tokens/s | GB/s | of ${peak === undefined ? 'the measured' : 'the published'} bandwidth | measured (read) GB/s |`,
    '| --- | --- | --- | --- | --- | --- |',
    ...rows,
    '',
    ratios(sides, (result) => 1 / result.secondsPerToken),
  ].join('\n');
}

/** @param {{ ours: Outcome, eager: Outcome, compiled: Outcome }} sides */
function named({ ours, eager, compiled }) {
  return { Xinghe: ours, PyTorch: eager, 'PyTorch, torch.compile': compiled };
}

/**
 * @param {{ ours: Outcome, eager: Outcome, compiled: Outcome }} sides
 * @param {(result: any) => number} speedOf
 */
function ratios({ ours, eager, compiled }, speedOf) {
  const parts = ours.lines.flatMap((mine) =>
    [
      ['PyTorch', eager],
      ['torch.compile', compiled],
    ].flatMap(([name, side]) => {
      const theirs = /** @type {Outcome} */ (side).lines.find((line) => line.dtype === mine.dtype);
      return theirs === undefined
        ? []
        : [`${mine.dtype}: ${(speedOf(mine) / speedOf(theirs)).toFixed(2)}x ${name}`];
    }),
  );
  return parts.length === 0 ? 'No ratio: one side is missing.' : `Ours in relation: ${parts.join(', ')}.`;
}

/** @param {string} text in one cell of a table */
function cell(text) {
  return text.replaceAll('|', '\\|').replaceAll(/\s+/g, ' ').slice(0, 400);
}
