/** `xinghe setup`: the set-up alone. bin/xinghe does it before every command; this one does nothing behind it. */
import { InputError } from '../errors/index.js';
import { log } from '../log/index.js';
import { nativeBuild } from '../tensor/index.js';
import { parseOptions } from './options.js';

export async function setup(args: readonly string[]): Promise<number> {
  parseOptions(
    {
      command: 'xinghe setup',
      summary: 'find or fetch libtorch and build the native part, as the first use of any command does',
      notes: 'What is needed, and the variables that it listens to: docs/setup.md.',
    },
    {},
    args,
  );
  const build = nativeBuild();
  if (build === undefined)
    throw new InputError('xinghe setup: there is no build/build.json; the addon was built in another way.');
  log(`libtorch ${build.libtorch.version} (${build.libtorch.origin}): ${build.libtorch.path}`);
  log(`native part built by ${build.compiler.version} at ${build.builtAt}`);
  return 0;
}
