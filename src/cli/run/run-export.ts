/** `xinghe run --run_mode export`: the model as files that other programs load, in the place of mindir. */
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { stringify } from 'yaml';
import { refuseMissing } from '../../compat/index.js';
import { rankEnvironment } from '../../distributed/index.js';
import { InputError } from '../../errors/index.js';
import { exportOnnx } from '../../export/index.js';
import { fileStatus, withLockedOutput, writeFileAtomic } from '../../formats/index.js';
import { formatBytes, log } from '../../log/index.js';
import {
  type Architecture,
  type ConvertOptions,
  convertModel,
  holdsAdapterHalves,
  tokenizerFilesOf,
} from '../../models/index.js';
import type { ModeRun } from './run.js';
import { architectureOf, isAdapterFolder, weightsOf } from './run-model.js';

export async function runExport(run: ModeRun): Promise<number> {
  const { published, options } = run;
  refuseMissing(published, options.config);
  if ((rankEnvironment()?.rank ?? 0) > 0) return 0; // One writes for all.
  const folder = published.exportFolder ?? '';
  if (fileStatus(folder)?.isFile() === true)
    throw new InputError(`xinghe run: --mindir_save_dir ${folder} is a file; name a folder.`);
  await exportModel(run, folder);
  return 0;
}

/** What stands for mindir, into `folder`: an ONNX graph, config and tokenizer. */
async function exportModel({ published, options }: ModeRun, folder: string): Promise<void> {
  const { model } = published;
  const tokenizer = model.tokenizer === undefined ? [] : tokenizerFilesOf(model.tokenizer);
  const temporary = mkdtempSync(join(tmpdir(), 'xinghe-export-'));
  try {
    const path = weightsOf(model);
    const from = isAdapterFolder(path) ? modelOfAdapter(path, model.base, options.config) : path;
    const architecture = architectureOf(from, model, options.config);
    const config = model.configOfWeights === undefined ? undefined : writeConfig(temporary, architecture);
    const { report, seconds } = await withLockedOutput(folder, async () => {
      const started = performance.now();
      const adapter = adapterOf(path, from, architecture, model.lora);
      const merged = adapter.merge === undefined ? undefined : `${folder}.merged`;
      try {
        if (merged !== undefined)
          await convertModel({
            ...{ from, to: merged, format: 'safetensors', names: 'published', dtype: model.dtype },
            ...{ configPath: config, states: 'drop', replace: true, ...adapter },
          });
        const report = await exportOnnx({
          model: merged ?? from,
          output: folder,
          // ONNX's runtimes have few operators for bfloat16.
          dtype: model.dtype === 'float16' || model.dtype === 'bfloat16' ? 'float16' : 'float32',
          config: merged === undefined ? config : undefined,
          replace: options.overwrite,
        });
        for (const file of tokenizer) copyFileSync(file, join(folder, basename(file)));
        return { report, seconds: (performance.now() - started) / 1000 };
      } finally {
        if (merged !== undefined) rmSync(merged, { recursive: true, force: true });
      }
    });
    log(
      `${folder}: ${report.files.join(' and ')} in ${report.dtype}, ${formatBytes(report.bytes)} of weights, texts up to ${report.contextLength} ` +
        `tokens${tokenizer.length > 0 ? ', with the tokenizer' : ''}; ${seconds.toFixed(1)} s. This stands for mindir.`,
    );
    for (const limit of report.limits) log(`${folder}: ${limit}`);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

function modelOfAdapter(adapter: string, base: string | undefined, source: string): string {
  if (base !== undefined && base !== adapter) return base;
  throw new InputError(
    `${source}: load_checkpoint: ${adapter} is an adapter; name the model that it belongs to: ` +
      '--set model.model_config.checkpoint_name_or_path=PATH.',
  );
}

/** LoRA matrices are worked into the weights, those of a folder of their own and those among the weights. */
function adapterOf(
  path: string,
  from: string,
  architecture: Architecture,
  lora: ModeRun['published']['model']['lora'],
): Pick<ConvertOptions, 'merge' | 'adapter' | 'loraAlpha'> {
  if (path !== from) return { merge: 'merge', adapter: path };
  if (lora === undefined || !holdsAdapterHalves(path, architecture)) return {};
  return { merge: 'merge', loraAlpha: lora.alpha };
}

/** The config of weights that have none beside them, as a file. @returns its path */
function writeConfig(folder: string, { configFile, publishedConfig }: Architecture): string {
  const path = join(folder, configFile);
  writeFileAtomic(
    path,
    configFile === 'config.json'
      ? `${JSON.stringify(publishedConfig, null, 2)}\n`
      : stringify(publishedConfig),
  );
  return path;
}
