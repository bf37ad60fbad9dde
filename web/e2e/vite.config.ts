import { defineConfig } from 'vite';

/** Builds the page that the browser tests drive. It lies on another origin than the server, so CORS is tested on the way. */
export default defineConfig({
  root: new URL('./lab', import.meta.url).pathname,
  base: './',
  build: { target: 'es2022', outDir: '../../test-results/lab', emptyOutDir: true, assetsInlineLimit: 0, chunkSizeWarningLimit: 900 },
  worker: { format: 'es' },
});
