/**
 * Reads the plain text of a message: fenced and inline code, links, mentions, and whether it is emoji alone. It gives
 * tokens, never markup, and an address only if it is http, https or mailto.
 */

export type Token =
  | {kind: "text"; text: string}
  | {kind: "code"; text: string}
  | {kind: "fence"; text: string}
  | {kind: "link"; text: string; href: string}
  | {kind: "mention"; text: string; name: string};

const EMOJI = /^(?:\p{RI}\p{RI}|[#*0-9]\uFE0F?\u20E3|(?:\p{Emoji_Presentation}|\p{Extended_Pictographic}\uFE0F?)\p{EMod}?(?:\u200D\p{Extended_Pictographic}\uFE0F?\p{EMod}?)*[\u{E0020}-\u{E007F}]*\s*){1,3}$/u;

/** One to three emoji and nothing else. */
export const jumbo = (body: string): boolean => body.length < 60 && EMOJI.test(body.trim());

const SAFE = new Set(["http:", "https:", "mailto:"]);

/** The address that `text` means, or "" where it must not be one. */
export function address(text: string): string {
  try {
    const url = new URL(/^www\./i.test(text) ? `https://${text}` : text);
    return SAFE.has(url.protocol) ? url.href : "";
  } catch {
    return "";
  }
}

const FENCE = /```(?:[\w+#.-]*\n)?([\s\S]+?)\n?```\n?/g;
const INLINE = /`([^`\n]+)`|((?:https?:\/\/|mailto:|www\.)[^\s<>"'`]+)|@/gi;

/** Cuts what is punctuation of the sentence, not of the address: `(see https://a.b/c).` */
function trim(link: string): string {
  for (;;) {
    const last = link.at(-1)!;
    const open = {")": "(", "]": "[", "}": "{"}[last];
    if (open ? link.split(last).length > link.split(open).length : /[.,:;!?*_~]/.test(last)) link = link.slice(0, -1);
    else return link;
  }
}

/** `names`: whom a mention may mean. */
export function parse(body: string, names: readonly string[] = []): Token[] {
  const tokens: Token[] = [];
  const text = (part: string): void => {
    if (!part) return;
    const last = tokens.at(-1);
    if (last?.kind === "text") last.text += part;
    else tokens.push({kind: "text", text: part});
  };
  const called = names.flatMap((name) => [name, name.split(" ")[0]!].map((said) => ({said, name})))
    .filter(({said}) => said).sort((a, b) => b.said.length - a.said.length);

  const inline = (part: string): void => {
    let done = 0;
    INLINE.lastIndex = 0;
    for (let match; (match = INLINE.exec(part));) {
      const [all, code, link] = match;
      let token: Token | undefined;
      let size = all.length;
      const before = part.charAt(match.index - 1);
      if (code) token = {kind: "code", text: code};
      else if (link) {
        const cut = trim(link);
        const href = /[\p{L}\p{N}]/u.test(before) ? "" : address(cut);
        if (href) token = {kind: "link", text: cut, href};
        size = cut.length;
      } else if (!/[\p{L}\p{N}]/u.test(before)) {
        const rest = part.slice(match.index + 1);
        const hit = called.find(({said}) => rest.slice(0, said.length).toLowerCase() === said.toLowerCase()
          && !/[\p{L}\p{N}]/u.test(rest.charAt(said.length)));
        if (hit) {
          size = hit.said.length + 1;
          token = {kind: "mention", text: part.slice(match.index, match.index + size), name: hit.name};
        }
      }
      INLINE.lastIndex = match.index + Math.max(size, 1);
      if (!token) continue;
      text(part.slice(done, match.index));
      tokens.push(token);
      done = match.index + size;
    }
    text(part.slice(done));
  };

  let done = 0;
  for (const match of body.matchAll(FENCE)) {
    inline(body.slice(done, match.index).replace(/\n$/, ""));
    tokens.push({kind: "fence", text: match[1]!});
    done = match.index! + match[0].length;
  }
  inline(body.slice(done));
  return tokens;
}
