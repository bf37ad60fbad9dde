/** The element with this id; the page is ours, so a missing one is a mistake in it. */
export function byId<T extends HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found as T;
}

/** The element marked `data-part="name"` below `root`. */
export function part<T extends HTMLElement>(root: ParentNode, name: string): T {
  const found = root.querySelector<T>(`[data-part="${name}"]`);
  if (!found) throw new Error(`no part ${name}`);
  return found;
}

/** Sets a text only when it differs, so that live regions stay quiet. */
export function setText(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** Shows a state pill. */
export function setState(element: HTMLElement, tone: 'idle' | 'wait' | 'good' | 'bad', text: string): void {
  element.dataset['state'] = tone;
  setText(element, text);
}

/** Shows or hides a problem. */
export function setProblem(element: HTMLElement, text: string | null): void {
  element.hidden = text === null;
  setText(element, text ?? '');
}

/** Copies by the clipboard API, which insecure pages lack; false when it did not work. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
