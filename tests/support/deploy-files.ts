/** What lies under deploy/, as values. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';

export const deployFolder = fileURLToPath(new URL('../../deploy/', import.meta.url));

export function deployText(path: string): string {
  return readFileSync(join(deployFolder, path), 'utf8');
}

/** Paths under deploy/ that end so. */
export function deployPaths(ending: string): string[] {
  return readdirSync(deployFolder, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith(ending))
    .sort();
}

/** Every document of a YAML file. @throws Error for one that is none */
export function deployYaml(path: string): unknown[] {
  return parseAllDocuments(deployText(path)).map((document) => {
    const [fault] = document.errors;
    if (fault !== undefined) throw new Error(`${path}: ${fault.message}`);
    return document.toJS();
  });
}

/** The only document of a YAML file. */
export function deployObject(path: string): unknown {
  return deployYaml(path)[0];
}

/** `at(value, 'spec', 'template', 0)`; undefined where there is no such thing. */
export function at(value: unknown, ...keys: readonly (string | number)[]): unknown {
  return keys.reduce<unknown>(
    (level, key) => (typeof level === 'object' && level !== null ? Reflect.get(level, key) : undefined),
    value,
  );
}

export function listAt(value: unknown, ...keys: readonly (string | number)[]): unknown[] {
  const found = at(value, ...keys);
  return Array.isArray(found) ? found : [];
}

export function textsAt(value: unknown, ...keys: readonly (string | number)[]): string[] {
  return listAt(value, ...keys).map(String);
}

/** Everything that a kustomization takes in, the paths under deploy/ of the bases among them. */
export function kustomized(folder: string): string[] {
  const file = join(folder, 'kustomization.yaml');
  return textsAt(deployObject(file), 'resources').flatMap((resource) => {
    const path = relative(deployFolder, join(deployFolder, dirname(file), resource));
    return path.endsWith('.yaml') ? [path] : kustomized(path);
  });
}

export interface DockerStep {
  readonly line: number;
  readonly instruction: string;
  readonly rest: string;
}

/** The instructions of a Dockerfile, continued lines joined. */
export function dockerSteps(): DockerStep[] {
  const steps: DockerStep[] = [];
  let open: { line: number; text: string } | undefined;
  for (const [index, line] of deployText('Dockerfile').split('\n').entries()) {
    if (/^\s*(#.*)?$/.test(line)) continue;
    open = { line: open?.line ?? index + 1, text: `${open?.text ?? ''}${line.replace(/\\$/, '\n')}` };
    if (line.endsWith('\\')) continue;
    const [, instruction = '', rest = ''] = /^(\w+)\s+([\s\S]*)$/.exec(open.text) ?? [];
    steps.push({ line: open.line, instruction, rest });
    open = undefined;
  }
  return steps;
}
