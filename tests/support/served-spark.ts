/** A served model for tests without weights: Spark's layout and the small tokenizer of the golden data. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadServedModel, type ServedModel } from '../../src/serving/served-model.js';
import { goldenFolder } from './golden.js';

/** @param id default `spark` */
export function servedSpark(id = 'spark'): ServedModel {
  const folder = mkdtempSync(join(tmpdir(), 'served-spark-'));
  try {
    const config = readFileSync(`${goldenFolder}spark/model_config.yaml`, 'utf8');
    writeFileSync(join(folder, 'model_config.yaml'), config.replace('vocab_size: 320', 'vocab_size: 960'));
    copyFileSync(`${goldenFolder}tokenizers/spark_like/tokenizer.model`, join(folder, 'tokenizer.model'));
    return loadServedModel({ path: folder, id, created: 7 });
  } finally {
    rmSync(folder, { recursive: true });
  }
}
