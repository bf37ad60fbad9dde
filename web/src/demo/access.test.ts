import { describe, expect, it } from 'vitest';
import { addressesOf } from '../addresses';
import { Access, readAccess } from './access';

const at = (rest: string) => readAccess(new URL(`http://live.example/${rest}`));

function access(rest: string): { access: Access; panel: { open: boolean }; field: { value: string } } {
  const panel = { open: false };
  const field = { value: '' };
  const made = new Access(panel as HTMLDetailsElement, field as HTMLInputElement, at(rest), 'a');
  return { access: made, panel, field };
}

describe('what an address gives to the page', () => {
  it('is a token, which the address does not keep', () => {
    for (const rest of ['?id=a#token=eJw*-_', '?id=a&token=eJw*-_', '?token=other&id=a#token=eJw*-_']) {
      const given = at(rest);
      expect(given.token).toBe('eJw*-_');
      expect(given.clean.href).toBe('http://live.example/?id=a');
    }
  });

  it('is the signature of a play address, when it is whole', () => {
    expect(at('?id=a&txSecret=ab&txTime=5C27').signature).toBe('?txSecret=ab&txTime=5C27');
    for (const rest of ['', '?txSecret=ab', '?txTime=5C27', '#txSecret=ab&txTime=5C27']) expect(at(rest).signature).toBe('');
  });

  it('is nothing that does not fit into a header field', () => {
    for (const rest of ['', '?token=', '#token=a%20b', '#token=%E5%86%9B', '#token=a%0Ab']) expect(at(rest).token).toBe('');
    expect(at('?id=a#watch').clean.href).toBe('http://live.example/?id=a#watch');
  });
});

describe('the access of the page', () => {
  it('shows the token that stands in the field', () => {
    const { access: shown, field, panel } = access('#token=eJw');
    expect(shown.options).toEqual({ token: 'eJw' });
    expect(panel.open).toBe(true);
    field.value = '  other ';
    expect(shown.options).toEqual({ token: 'other' });
    for (const value of ['', '  ', 'a b', '军']) {
      field.value = value;
      expect(shown.options).toEqual({});
    }
  });

  it('is out of the way until somebody asks', () => {
    const { access: hidden, panel } = access('');
    expect(panel.open).toBe(false);
    hidden.ask();
    expect(panel.open).toBe(true);
  });

  it('signs what is played of its stream, and nothing else', () => {
    const { access: signed } = access('?txSecret=ab&txTime=5C27');
    const plain = addressesOf('a', 'http://live.example');
    const addresses = signed.sign('a', plain);
    expect(addresses.whip).toBe(plain.whip);
    for (const kind of ['whep', 'flv', 'hls'] as const) expect(addresses[kind]).toBe(`${plain[kind]}?txSecret=ab&txTime=5C27`);
    expect(signed.sign('b', plain)).toEqual(plain);
  });
});
