/** Texts, numbers and times in the reader's language: a small reading of ICU messages over what `Intl` knows. */

export type Values = Record<string, string | number>;

/** Fills `{name}` and `{n, plural, one {# day} other {# days}}` in `text`. `isolate` guards names in mixed directions. */
export function format(text: string, values: Values, lang: string, isolate = false): string {
  let out = "";
  for (let i = 0; i < text.length;) {
    if (text[i] !== "{") {
      out += text[i++];
      continue;
    }
    let end = i + 1;
    for (let depth = 1; depth; end++) depth += text[end] === "{" ? 1 : text[end] === "}" ? -1 : 0;
    const inner = text.slice(i + 1, end - 1);
    i = end;
    const plural = /^(\w+), plural, (.*)$/s.exec(inner);
    if (!plural) {
      const value = values[inner] ?? "";
      const shown = typeof value === "number" ? new Intl.NumberFormat(lang).format(value) : value;
      out += isolate && typeof value === "string" ? `\u2068${shown}\u2069` : shown;
      continue;
    }
    const n = Number(values[plural[1]!]);
    const forms = new Map([...plural[2]!.matchAll(/(=?\w+) \{((?:[^{}]|\{\w+\})*)\}/g)].map((m) => [m[1]!, m[2]!]));
    const form = forms.get(`=${n}`) ?? forms.get(new Intl.PluralRules(lang).select(n)) ?? forms.get("other")!;
    out += format(form.replace(/#/g, new Intl.NumberFormat(lang).format(n)), values, lang, isolate);
  }
  return out;
}

export type Translate = (key: string, values?: Values) => string;

export interface Tongue {
  lang: string;
  t: Translate;
  number(n: number): string;
  /** "21:40" */
  clock(time: number): string;
  /** "Today", "Yesterday", "Thursday, 19 November" */
  day(time: number): string;
  /** For rows of a list: the clock today, a weekday this week, a date before. */
  brief(time: number): string;
  /** "3 h ago" */
  ago(time: number): string;
  /** The full date and time, for tooltips. */
  exact(time: number): string;
  /** "A, B and C" */
  list(names: string[]): string;
  /** The first letters of a name, as an avatar shows them. */
  initials(name: string): string;
}

const DAY = 86_400_000;
export const midnight = (time: number): number => new Date(time).setHours(0, 0, 0, 0);

export function tongue(texts: Record<string, string>, lang: string, rtl: boolean): Tongue {
  const dates = (options: Intl.DateTimeFormatOptions): ((time: number) => string) => {
    const made = new Intl.DateTimeFormat(lang, options);
    return (time) => made.format(time);
  };
  const t: Translate = (key, values = {}) => format(texts[key] ?? key, values, lang, rtl);
  const clock = dates({timeStyle: "short"});
  const weekday = dates({weekday: "short"});
  const date = dates({day: "numeric", month: "short"});
  const long = dates({weekday: "long", day: "numeric", month: "long"});
  const numbers = new Intl.NumberFormat(lang);
  const names = new Intl.ListFormat(lang);
  const days = (time: number): number => Math.round((midnight(Date.now()) - midnight(time)) / DAY);
  return {
    lang, t, clock,
    number: (n) => numbers.format(n),
    day: (time) => [t("today"), t("yesterday")][days(time)] ?? long(time),
    brief: (time) => (days(time) < 1 ? clock(time) : days(time) < 7 ? weekday(time) : date(time)),
    ago(time) {
      const minutes = Math.max(1, Math.round((Date.now() - time) / 60_000));
      return minutes < 60 ? t("agoMinutes", {n: minutes}) : minutes < 1_440 ? t("agoHours", {n: Math.round(minutes / 60)})
        : days(time) === 1 ? t("agoYesterday") : date(time);
    },
    exact: dates({dateStyle: "full", timeStyle: "short"}),
    list: (items) => names.format(items),
    initials(name) {
      const parts = name.trim().split(/\s+/);
      const first = (part: string | undefined): string => [...(part ?? "")][0]?.toLocaleUpperCase(lang) ?? "";
      // Letters that join (Arabic and its kin) make a word of two initials: one is enough.
      return rtl && /[\u0590-\u08ff]/.test(name) ? first(parts[0]) : first(parts[0]) + (parts.length > 1 ? first(parts.at(-1)) : "");
    },
  };
}
