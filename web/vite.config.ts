import { defineConfig } from 'vitest/config';

// The page is served by the binary itself under a content security policy that
// allows no inline code, so nothing may be inlined as a data URL either.
export default defineConfig({
  base: './',
  build: {
    target: 'es2022',
    outDir: 'dist',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 900,
  },
  worker: { format: 'es' },
  server: {
    // `npm run dev` beside a running server: the page from Vite, media from weblive.
    proxy: Object.fromEntries(
      ['/whip', '/whep', '/live'].map((path) => [path, process.env['WEBLIVE_URL'] ?? 'http://127.0.0.1:8080']),
    ),
  },
  test: { include: ['src/**/*.test.ts'], environment: 'node' },
});
