/** The place where lines are shown one upon the other. */
export class Stage {
  readonly #box = document.createElement('div');
  #still: HTMLCanvasElement | null = null;

  constructor(
    readonly container: HTMLElement,
    readonly objectFit: string,
  ) {
    Object.assign(this.#box.style, { position: 'relative', width: '100%', height: '100%', overflow: 'hidden' });
  }

  /** Puts an element in, in front of all or `behind`. */
  add(element: HTMLElement, behind: boolean): void {
    if (!this.#box.isConnected) this.container.append(this.#box);
    Object.assign(element.style, { position: 'absolute', inset: '0', width: '100%', height: '100%', objectFit: this.objectFit });
    // An element that is not painted at all never tells of its first frame.
    element.style.opacity = behind || this.#still ? '0.01' : '1';
    this.#box.append(element);
  }

  /** Brings an element to the front. */
  show(element: HTMLElement): void {
    this.#dropStill();
    element.style.opacity = '1';
  }

  /** Takes an element out; its last picture may stay. */
  remove(element: HTMLElement, keepsStill: boolean): void {
    if (keepsStill && element.parentNode === this.#box) this.#keep(element);
    element.remove();
  }

  /** Leaves the container as it was found. */
  clear(): void {
    this.#dropStill();
    this.#box.remove();
  }

  #keep(element: HTMLElement): void {
    const video = element instanceof HTMLVideoElement ? element : element.querySelector('video');
    if (!video || video.videoWidth === 0) return;
    const canvas = document.createElement('canvas');
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    canvas.getContext('2d')?.drawImage(video, 0, 0);
    Object.assign(canvas.style, { position: 'absolute', inset: '0', width: '100%', height: '100%', objectFit: video.style.objectFit });
    this.#dropStill();
    this.#still = canvas;
    this.#box.prepend(canvas);
  }

  #dropStill(): void {
    this.#still?.remove();
    this.#still = null;
  }
}
