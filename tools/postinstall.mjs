// Run by npm when the package is installed elsewhere: builds the native part, as the first use would. An installation never
// fails for want of it: the first use says what is missing. XINGHE_SKIP_SETUP=1 leaves it for then.

import { isPackage } from './setup/paths.mjs';
import { reportFailure, setup } from './setup.mjs';

if (isPackage && process.env.XINGHE_SKIP_SETUP !== '1') {
  try {
    await setup();
  } catch (error) {
    reportFailure(error);
    process.stderr.write(
      'setup: xinghe is installed without its native part; build it with `npx xinghe setup`\n',
    );
  }
}
