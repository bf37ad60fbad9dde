/** Texts that this browser keeps; where it does not let us, they last as long as the page. */
const fallback = new Map<string, string>();

export function kept(name: string): string | null {
  try {
    return localStorage.getItem(`weblive.${name}`);
  } catch {
    return fallback.get(name) ?? null;
  }
}

export function keep(name: string, text: string): void {
  fallback.set(name, text);
  try {
    localStorage.setItem(`weblive.${name}`, text);
  } catch {
    // Private windows of some browsers keep nothing.
  }
}

/** The same for one tab alone: two tabs are two users. */
export function keptInTab(name: string): string | null {
  try {
    return sessionStorage.getItem(`weblive.${name}`);
  } catch {
    return fallback.get(`tab.${name}`) ?? null;
  }
}

export function keepInTab(name: string, text: string): void {
  fallback.set(`tab.${name}`, text);
  try {
    sessionStorage.setItem(`weblive.${name}`, text);
  } catch {
    // As above.
  }
}
