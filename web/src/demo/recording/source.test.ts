import { expect, it } from 'vitest';
import { troubleNamed } from './source';

it('tells people what the server means', () => {
  expect(troubleNamed('recording-not-ready', 404)).toBe('early');
  expect(troubleNamed('no-such-recording', 404)).toBe('missing');
  expect(troubleNamed('no-such-address', 404)).toBe('missing');
  expect(troubleNamed('address-expired', 403)).toBe('expired');
  expect(troubleNamed('address-unsigned', 403)).toBe('unsigned');
  expect(troubleNamed('referer-refused', 403)).toBe('refused');
  expect(troubleNamed('too-many-reads', 429)).toBe('busy');
  expect(troubleNamed('recordings-busy', 503)).toBe('busy');
  expect(troubleNamed('', 500)).toBe('network');
});
