/** Small things that browsers do not give on every page: ids on plain http, storage that may throw, full jitter. */

/** An id that nobody else makes. `crypto.randomUUID` is missing on plain-http pages; `getRandomValues` is not. */
export function uid(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The host page's storage; reading or writing may be forbidden, and then nothing is kept. */
export const kept = {
  get(area: "localStorage" | "sessionStorage", name: string): string | null {
    try {
      return window[area].getItem(`avchat.${name}`);
    } catch {
      return null;
    }
  },
  set(area: "localStorage" | "sessionStorage", name: string, value: string | null): void {
    try {
      if (value === null) window[area].removeItem(`avchat.${name}`);
      else window[area].setItem(`avchat.${name}`, value);
    } catch {
      // Not kept: the page goes on without.
    }
  },
};

/** Milliseconds before attempt `n` (from 0): full jitter, so that a restarted server is not met by all at once. */
export function backoff(n: number, random = Math.random()): number {
  return 250 + random * Math.min(30_000, 750 * 2 ** n);
}

/** Characters as the server counts them: Unicode code points. */
export const length = (text: string): number => [...text].length;

export function claims(token: string): {sub?: string} {
  try {
    const bytes = atob(token.split(".")[1]!.replace(/-/g, "+").replace(/_/g, "/"));
    return JSON.parse(decodeURIComponent(escape(bytes))) as {sub?: string};
  } catch {
    return {};
  }
}
