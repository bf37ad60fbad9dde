import { log } from '../log';

/** What can go on after a click. */
interface Resumable {
  resume(): Promise<void>;
}

/** Asks the user for the click that the browser wants before sound may begin. One for the page, whatever waits for it. */
export class AutoplayDialog {
  readonly #waiting = new Set<Resumable>();
  #dialog: HTMLDialogElement | null = null;
  /** The user has put it away without a click. */
  #isPutAway = false;

  /** Shows the dialog, unless it is shown already, and resumes the stream after the click. */
  ask(stream: Resumable): void {
    this.#waiting.add(stream);
    if (!this.#isPutAway) this.#dialog ??= this.#show();
  }

  /** The stream has ended, or plays. */
  forget(stream: Resumable): void {
    this.#waiting.delete(stream);
    if (this.#waiting.size === 0) this.#close();
  }

  #show(): HTMLDialogElement {
    const dialog = document.createElement('dialog');
    const { title, button, lang } = textsFor(document.documentElement.lang || navigator.language);
    dialog.lang = lang;
    const heading = document.createElement('p');
    heading.id = 'weblive-autoplay-title';
    heading.textContent = title;
    const accept = document.createElement('button');
    accept.type = 'button';
    accept.autofocus = true;
    accept.textContent = button;
    accept.addEventListener('click', () => this.#resume());
    dialog.setAttribute('aria-labelledby', heading.id);
    dialog.addEventListener('cancel', (event) => {
      event.preventDefault();
      this.#putAway();
    });
    // By script, since a page's policy may forbid style attributes.
    dialog.style.cssText = 'border:0;border-radius:12px;padding:20px 24px;max-width:min(320px,80vw);text-align:center;font:16px/1.5 system-ui,sans-serif;'
      + 'color:#14181f;background:#fff;box-shadow:0 12px 40px rgb(0 0 0/.35)';
    heading.style.margin = '0 0 16px';
    accept.style.cssText = 'border:0;border-radius:8px;padding:8px 24px;font:inherit;font-weight:600;color:#fff;background:#0b57d0;cursor:pointer';
    dialog.append(heading, accept);
    document.body.append(dialog);
    if (typeof dialog.showModal === 'function') dialog.showModal();
    else dialog.setAttribute('open', '');
    return dialog;
  }

  /** Escape is no gesture for browsers: the next click or key will do, wherever it goes. */
  #putAway(): void {
    this.#close();
    this.#isPutAway = true;
    for (const gesture of GESTURES) document.addEventListener(gesture, this.#onGesture, true);
  }

  readonly #onGesture = (): void => {
    if (navigator.userActivation?.hasBeenActive === false) return;
    for (const gesture of GESTURES) document.removeEventListener(gesture, this.#onGesture, true);
    this.#isPutAway = false;
    this.#resume();
  };

  #resume(): void {
    const streams = [...this.#waiting];
    this.#waiting.clear();
    this.#close();
    for (const stream of streams) stream.resume().catch((thrown: unknown) => log.warn('autoplay', 'still refused', thrown));
  }

  #close(): void {
    // Closed before it is gone, so that the focus returns to where it was.
    this.#dialog?.close?.();
    this.#dialog?.remove();
    this.#dialog = null;
  }
}

function textsFor(language: string): { title: string; button: string; lang: string } {
  const [name = ''] = language.toLowerCase().split('-');
  const lang = Object.hasOwn(TEXTS, name) ? name : 'en';
  return { ...TEXTS[lang]!, lang };
}

const GESTURES = ['pointerup', 'keydown'] as const;

/** What it says, by language: that of the page, else that of the browser, else English. */
const TEXTS: Record<string, { title: string; button: string }> = {
  en: { title: 'The browser wants a click before it plays sound.', button: 'Play' },
  zh: { title: '浏览器需要点击一次才能播放声音。', button: '播放' },
  ko: { title: '소리를 재생하려면 한 번 클릭해야 합니다.', button: '재생' },
};
