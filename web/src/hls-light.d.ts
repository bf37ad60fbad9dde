// The light build (no subtitles, no DRM) has the API of the full one but ships without types.
declare module 'hls.js/light' {
  export * from 'hls.js';
  export { default } from 'hls.js';
}
