import type { StreamAddresses } from '../addresses';
import { copyText, setText } from './dom';

/** The rows of addresses with their copy buttons. */
export class AddressList {
  readonly #rows = new Map<string, HTMLElement>();

  constructor(list: HTMLElement, announce: (text: string) => void) {
    for (const [key, label] of ROWS) {
      const row = document.createElement('li');
      const name = document.createElement('span');
      name.textContent = label;
      const code = document.createElement('code');
      const button = document.createElement('button');
      button.type = 'button';
      button.className = 'button quiet';
      button.textContent = 'Copy';
      button.setAttribute('aria-label', `Copy the ${label} address`);
      button.addEventListener('click', async () => {
        const done = await copyText(code.textContent ?? '');
        if (!done) select(code);
        setText(button, done ? 'Copied' : 'Selected');
        announce(done ? `${label} address copied` : `${label} address selected: copy it with the keyboard`);
        setTimeout(() => setText(button, 'Copy'), 1_500);
      });
      row.append(name, code, button);
      list.append(row);
      this.#rows.set(key, code);
    }
  }

  /** Shows the addresses of another stream. */
  show(addresses: StreamAddresses): void {
    for (const [key, code] of this.#rows) {
      const address = addresses[key as keyof StreamAddresses];
      setText(code, address);
      code.title = address;
    }
  }
}

function select(element: HTMLElement): void {
  const selection = getSelection();
  selection?.removeAllRanges();
  const range = document.createRange();
  range.selectNodeContents(element);
  selection?.addRange(range);
}

const ROWS: [keyof StreamAddresses, string][] = [
  ['whip', 'WHIP'],
  ['whep', 'WHEP'],
  ['flv', 'HTTP-FLV'],
  ['hls', 'HLS'],
];
