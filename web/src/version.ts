/** The version of this package. */
export const VERSION: string = typeof __WEBLIVE_VERSION__ === 'string' ? __WEBLIVE_VERSION__ : '0.0.0';

/** Written in by the bundler (build/aliases.ts). */
declare const __WEBLIVE_VERSION__: string | undefined;
