/** A message's text as elements: what is typed becomes text nodes, links and code, and never markup. */
import {h, type VNode} from "./vdom";
import {parse} from "../format";

/** `names`: those who can be mentioned; `mine`: my own name. */
export function Text({body, names, mine}: {body: string; names: string[]; mine: string}): VNode {
  const tokens = parse(body, names);
  return <span dir="auto">{tokens.map((token) => {
    switch (token.kind) {
      case "code": return <code dir="ltr">{token.text}</code>;
      case "fence": return <pre dir="ltr" tabIndex={0} class={tokens.length > 1 ? "" : "alone"}>{token.text}</pre>;
      case "link": return <a href={token.href} target="_blank" rel="noopener nofollow ugc">{token.text}</a>;
      case "mention": return <span class={token.name === mine ? "at you" : "at"}>{token.text}</span>;
      default: return token.text;
    }
  })}</span>;
}
