import type { SeatLayoutTemplate } from './enums';
import { regions } from './regions';
import type { Performer } from './stage';

/** The place of one user: a picture, the screen that is shared beside it, and a name. */
export class Tile {
  readonly box = document.createElement('div');
  readonly main = document.createElement('div');
  readonly aux = document.createElement('div');
  readonly #name = document.createElement('div');
  readonly #face = document.createElement('div');
  #shown = '';

  constructor(performer: Performer) {
    this.box.className = 'weblive-tile';
    this.box.dataset['user'] = performer.user;
    Object.assign(this.box.style, { position: 'absolute', overflow: 'hidden', background: '#1b1d24' });
    Object.assign(this.main.style, FILL);
    Object.assign(this.aux.style, FILL);
    Object.assign(this.#face.style, { ...FILL, display: 'flex', alignItems: 'center', justifyContent: 'center', background: '#1b1d24', color: '#fff', fontSize: '2em' });
    Object.assign(this.#name.style, {
      position: 'absolute', left: '0', bottom: '0', maxWidth: '100%', padding: '2px 8px', font: '12px/1.6 system-ui, sans-serif', color: '#fff',
      background: 'rgb(0 0 0 / 55%)', overflow: 'hidden', textOverflow: 'ellipsis', whiteSpace: 'nowrap', boxSizing: 'border-box', zIndex: '2',
    });
    this.main.className = 'weblive-main';
    this.aux.className = 'weblive-aux';
    this.#name.className = 'weblive-name';
    this.#face.className = 'weblive-face';
    this.aux.hidden = true;
    this.box.append(this.main, this.aux, this.#face, this.#name);
  }

  /** Shows the face where there is no picture, and the camera in a corner of a shared screen. */
  update(hasMain: boolean, hasAux: boolean): void {
    this.#face.style.display = hasMain || hasAux ? 'none' : 'flex';
    this.aux.hidden = !hasAux;
    Object.assign(this.main.style, hasAux ? CORNER : FILL);
    this.main.style.visibility = hasMain || !hasAux ? '' : 'hidden';
  }

  /** Shows another nick or picture. */
  rename({ user, userName, avatarUrl }: Performer): void {
    const shown = `${userName}\n${avatarUrl}`;
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#name.textContent = userName || user;
    this.#face.replaceChildren();
    if (avatarUrl === '') {
      this.#face.textContent = [...(userName || user)][0]?.toUpperCase() ?? '';
      return;
    }
    const image = document.createElement('img');
    image.src = avatarUrl;
    image.alt = '';
    Object.assign(image.style, { width: '35%', maxWidth: '96px', aspectRatio: '1', borderRadius: '50%', objectFit: 'cover' });
    this.#face.append(image);
  }
}

/** The pictures of a room in an element of the page, laid out anew as its size changes. */
export class GridView {
  readonly #root = document.createElement('div');
  readonly #tiles = new Map<string, Tile>();
  readonly #observer: ResizeObserver | null;

  constructor(
    readonly view: HTMLElement,
    resized: () => void,
  ) {
    this.#root.className = 'weblive-grid';
    Object.assign(this.#root.style, { position: 'relative', width: '100%', height: '100%', overflow: 'hidden', background: '#000' });
    view.append(this.#root);
    this.#observer = typeof ResizeObserver === 'undefined' ? null : new ResizeObserver(resized);
    this.#observer?.observe(view);
  }

  /** Gives everybody a place. */
  place(performers: readonly Performer[], template: SeatLayoutTemplate): Map<Performer, Tile> {
    const width = this.view.clientWidth || 16;
    const height = this.view.clientHeight || 9;
    const places = regions(template, performers.length, width, height);
    const shown = new Map<Performer, Tile>();
    const left = new Map(this.#tiles);
    performers.forEach((performer, index) => {
      const key = JSON.stringify([performer.room, performer.user]);
      let tile = left.get(key);
      left.delete(key);
      if (!tile) {
        tile = new Tile(performer);
        this.#tiles.set(key, tile);
        this.#root.append(tile.box);
      }
      tile.rename(performer);
      const { x, y, w, h, zOrder } = places[index]!;
      // Parts of the view, so that a size that changes shows nothing wrong until the next look.
      const style = { left: `${(x / width) * 100}%`, top: `${(y / height) * 100}%`, width: `${(w / width) * 100}%`, height: `${(h / height) * 100}%` };
      Object.assign(tile.box.style, style, { zIndex: String(zOrder) });
      shown.set(performer, tile);
    });
    for (const [key, tile] of left) {
      tile.box.remove();
      this.#tiles.delete(key);
    }
    return shown;
  }

  close(): void {
    this.#observer?.disconnect();
    this.#root.remove();
    this.#tiles.clear();
  }
}

const FILL = { position: 'absolute', left: '0', top: '0', right: '0', bottom: '0', width: '100%', height: '100%', zIndex: '0' };

const CORNER = { left: 'auto', top: 'auto', right: '0', bottom: '0', width: '25%', height: '25%', zIndex: '1' };
