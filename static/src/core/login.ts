/** Who the reader is to the service: a member by a token, a guest by a name or the token that came for it, or nobody. */
import type {Credentials} from "./connection";
import type {Config} from "./types";
import {claims, kept} from "./util";

export interface LoginOptions {
  config: Pick<Config, "key" | "base" | "guests" | "name">;
  token?: string;
  tokenUrl?: string;
}

export class Login {
  /** The name that a guest chose on this page. */
  guest: string | undefined;
  private token: string | undefined;

  constructor(private readonly options: LoginOptions) {
    this.token = options.token;
  }

  /** Whether a page without a token is a guest's, rather than nobody's. */
  get welcome(): boolean {
    return this.options.config.guests && !this.options.token && !this.options.tokenUrl;
  }

  /** What pages of the same person share, and no others; null: a guest who has not said a name yet. */
  async scope(): Promise<string | null> {
    if (!this.token && this.options.tokenUrl) this.token = await this.fetch().catch(() => undefined);
    if (this.token) return claims(this.token).sub ?? "";
    if (!this.welcome) return "none";
    const token = this.kept;
    return token ? `guest.${claims(token).sub ?? ""}` : this.guest ? `guest.new.${Math.random()}` : null;
  }

  /** For a hello; `fresh` after what was given before was refused. Null: there is nothing to give. */
  async credentials(fresh: boolean): Promise<Credentials | null> {
    if (fresh && this.token) this.token = this.options.tokenUrl ? await this.fetch() : undefined;
    if (this.token) return {token: this.token};
    if (!this.welcome) return null;
    if (fresh) this.keep(null);
    const token = this.kept;
    return token ? {token} : this.guest ? {guest: {name: this.guest}} : null;
  }

  /** Keeps the token that makes the same guest again, with the host page. */
  keep(token: string | null): void {
    kept.set("localStorage", `guest.${this.options.config.key}`, token);
  }

  private get kept(): string | null {
    return kept.get("localStorage", `guest.${this.options.config.key}`);
  }

  private async fetch(): Promise<string | undefined> {
    const answer = await fetch(this.options.tokenUrl!, {credentials: "same-origin", cache: "no-store"});
    if (answer.status >= 500) throw new Error(String(answer.status));
    return (answer.ok && (await answer.text()).trim()) || undefined;
  }
}
