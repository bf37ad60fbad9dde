import { defineConfig } from 'vitest/config';

/** The names of the public surface, looked for in what `npm run build` has written. */
export default defineConfig({
  root: new URL('..', import.meta.url).pathname,
  test: { include: ['conformance/*.test.ts'], environment: 'happy-dom' },
});
