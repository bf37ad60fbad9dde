import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { RESULTS, run } from './harness';

const REQUIREMENTS = fileURLToPath(new URL('../../deploy/test/requirements.txt', import.meta.url));

/** A Python with aiortc and m3u8: the one that `AIORTC_PYTHON` names, else one in the results folder, made once. */
export async function pythonOfTests(): Promise<string> {
  const given = process.env['AIORTC_PYTHON'];
  if (given) return given;
  const home = join(RESULTS, 'venv');
  const python = join(home, 'bin/python');
  const isReady = existsSync(python) && (await run(python, ['-c', 'import aiortc, m3u8']).then(() => true, () => false));
  if (!isReady) {
    await run('python3', ['-m', 'venv', home]);
    await run(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', REQUIREMENTS], 180_000);
  }
  return python;
}
