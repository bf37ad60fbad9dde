import { defineConfig } from 'vite';
import { PUBLIC_SURFACE, SDK_DEFINES } from '../build/aliases.ts';

/** Builds the page that the browser tests drive. It lies on another origin than the server, so CORS is tested on the way. */
export default defineConfig({
  root: new URL('./lab', import.meta.url).pathname,
  base: './',
  resolve: { alias: PUBLIC_SURFACE },
  define: SDK_DEFINES,
  build: { target: 'es2022', outDir: '../../test-results/lab', emptyOutDir: true, assetsInlineLimit: 0, chunkSizeWarningLimit: 900 },
  worker: { format: 'es' },
});
