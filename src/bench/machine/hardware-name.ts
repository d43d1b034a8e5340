/** A machine in a few words for the names of result files: "intel-xeon-2-cores-avx512". */
import { cpus } from 'node:os';

/** @param model as the system tells it, e.g. "Intel(R) Xeon(R) Processor @ 2.80GHz" @param capability as libtorch tells it */
export function hardwareName(model: string, cores: number, capability: string): string {
  const words = model
    .toLowerCase()
    .replace(/\((?:r|tm|c)\)/g, ' ')
    .replace(/@.*$/, ' ')
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '' && !/^(?:cpu|processor|with|gen|\d.*)$/.test(word));
  return [
    ...words.slice(0, 2),
    String(cores),
    cores === 1 ? 'core' : 'cores',
    capability.toLowerCase().replaceAll(' ', '-'),
  ]
    .filter((word) => word !== '')
    .join('-');
}

/** Of the processor that this runs on. */
export function processorModel(): string {
  return cpus()[0]?.model.trim() ?? process.arch;
}
