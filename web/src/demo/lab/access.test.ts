import { describe, expect, it } from 'vitest';
import { addressesOf } from 'weblive';
import { readAccess, signAddresses, tokenOption } from './access';

const at = (rest: string) => readAccess(new URL(`http://live.example/${rest}`));

describe('what an address gives to the page', () => {
  it('is a token, which the address does not keep', () => {
    for (const rest of ['?id=a#token=eJw*-_', '?id=a&token=eJw*-_', '?token=other&id=a#token=eJw*-_']) {
      const given = at(rest);
      expect(given.token).toBe('eJw*-_');
      expect(given.clean.href).toBe('http://live.example/?id=a');
      expect(given.id).toBe('a');
    }
    const routed = at('?id=a#/lab?token=eJw*-_');
    expect(routed.token).toBe('eJw*-_');
    expect(routed.clean.href).toBe('http://live.example/?id=a#/lab');
  });

  it('is the signature of a play address, when it is whole', () => {
    expect(at('?id=a&txSecret=ab&txTime=5C27').signature).toBe('?txSecret=ab&txTime=5C27');
    for (const rest of ['', '?txSecret=ab', '?txTime=5C27', '#txSecret=ab&txTime=5C27']) expect(at(rest).signature).toBe('');
  });

  it('is nothing that does not fit into a header field', () => {
    for (const rest of ['', '?token=', '#token=a%20b', '#token=%E5%86%9B', '#token=a%0Ab']) expect(at(rest).token).toBe('');
    expect(at('?id=a#watch').clean.href).toBe('http://live.example/?id=a#watch');
    expect(at('#/live/7').clean.href).toBe('http://live.example/#/live/7');
  });
});

describe('the access of the page', () => {
  it('shows the token that stands in the field', () => {
    expect(tokenOption('  eJw ')).toEqual({ token: 'eJw' });
    for (const value of ['', '  ', 'a b', '军']) expect(tokenOption(value)).toEqual({});
  });

  it('signs what is played of its stream, and nothing else', () => {
    const given = at('?id=a&txSecret=ab&txTime=5C27');
    const plain = addressesOf('a', 'http://live.example');
    const addresses = signAddresses(given, 'a', plain);
    expect(addresses.whip).toBe(plain.whip);
    for (const kind of ['whep', 'flv', 'hls', 'still'] as const) expect(addresses[kind]).toBe(`${plain[kind]}?txSecret=ab&txTime=5C27`);
    expect(signAddresses(given, 'b', plain)).toEqual(plain);
  });
});
