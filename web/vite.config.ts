import { fileURLToPath } from 'node:url';
import vue from '@vitejs/plugin-vue';
import { defineConfig } from 'vitest/config';
import { PUBLIC_SURFACE, SDK_DEFINES } from './build/aliases.ts';

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));

const WEBLIVE_URL = process.env['WEBLIVE_URL'] ?? 'http://127.0.0.1:8080';

// The page is served by the binary itself under a content security policy that
// allows no inline code, so nothing may be inlined as a data URL either.
export default defineConfig({
  base: './',
  plugins: [vue()],
  // The pages import the SDK as everybody does.
  resolve: { alias: PUBLIC_SURFACE },
  // The bundler decides these flags, or Vue warns of them in the console of every page.
  define: {
    ...SDK_DEFINES,
    __VUE_OPTIONS_API__: false,
    __VUE_PROD_DEVTOOLS__: false,
    __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: false,
    __VUE_I18N_FULL_INSTALL__: false,
    __VUE_I18N_LEGACY_API__: false,
    __INTLIFY_PROD_DEVTOOLS__: false,
  },
  build: {
    target: 'es2022',
    outDir: 'dist',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 900,
    rolldownOptions: { input: { index: at('index.html'), admin: at('admin/index.html') } },
  },
  worker: { format: 'es' },
  server: {
    // `npm run dev` beside a running server: the page from Vite, media from weblive.
    proxy: Object.fromEntries(
      ['/whip', '/whep', '/live', '/recordings', '/api', '/images', '/signal'].map((path) => [path, { target: WEBLIVE_URL, ws: path === '/signal' }]),
    ),
  },
  test: { include: ['src/**/*.test.ts'], environment: 'node' },
});
