/** What lies over a player before and between pictures: a poster and a sentence. */
export class Overlay {
  readonly #image = document.createElement('img');
  readonly #text = document.createElement('p');

  constructor(readonly box: HTMLElement) {
    const full = { position: 'absolute', inset: '0', zIndex: '1', width: '100%', height: '100%', margin: '0' };
    Object.assign(this.#image.style, full, { objectFit: 'contain' });
    this.#image.alt = '';
    Object.assign(this.#text.style, full, {
      display: 'grid', placeItems: 'center', padding: '1em', boxSizing: 'border-box', color: '#fff', background: 'rgb(0 0 0 / 60%)',
      textAlign: 'center', font: '1rem/1.4 system-ui, sans-serif',
    });
    this.#text.setAttribute('role', 'status');
  }

  /** Shows a picture, or nothing. */
  show(poster: string | null): void {
    this.hide();
    if (poster === null) return;
    this.#image.src = poster;
    this.box.append(this.#image);
  }

  /** Says something over whatever is there. */
  say(text: string): void {
    this.#text.textContent = text;
    this.box.append(this.#text);
  }

  hide(): void {
    this.#image.remove();
    this.#text.remove();
  }
}
