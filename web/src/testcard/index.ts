/**
 * A painted picture and a tone to publish where there is no camera, and what reads them off at the other end.
 *
 * @module weblive/testcard
 */

export * from './avsync';
export * from './card';
export * from './clockcode';
export * from './clockreader';
export * from './tone';
