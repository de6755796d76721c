/** The Markdown of a report in pieces: text, as tokens and never as HTML, and panels with the line they begin at. */
import { Lexer, type Token, type Tokens } from "marked";
import { isKind, panelForm, type PanelForm } from "./panel_form";

export type Piece = { tokens: Token[]; panel?: undefined } | { panel: PanelForm };

export function pieces(body: string): Piece[] {
  const found: Piece[] = [];
  let line = 1;
  for (const token of new Lexer({ gfm: true }).lex(body)) {
    const panel = panelOf(token, line);
    const last = found.at(-1);
    if (panel) found.push({ panel });
    else if (last && !last.panel) last.tokens.push(token);
    else found.push({ tokens: [token] });
    line += token.raw.split("\n").length - 1;
  }
  return found;
}

/** A fenced block at the left edge whose first line is the name of a kind. */
function panelOf(token: Token, line: number): PanelForm | null {
  if (token.type !== "code" || !/^(```|~~~)/.test(token.raw)) return null;
  const { lang, text } = token as Tokens.Code;
  return isKind(lang) ? panelForm(lang, text, line, token.raw.trimEnd().split("\n").length) : null;
}

export function panelsIn(body: string): PanelForm[] {
  return pieces(body).flatMap((piece) => piece.panel ?? []);
}

/** Where a link of a report may lead: to the web, or to a place of this page; null for anything else, as a script. */
export function safeLink(href: string): string | null {
  if (/^\/(?![/\\])/.test(href) || href.startsWith("#")) return href;
  try {
    return ["http:", "https:", "mailto:"].includes(new URL(href).protocol) ? href : null;
  } catch {
    return null;
  }
}

/** A picture that a run has logged; from elsewhere none is fetched. */
export function isPicture(href: string): boolean {
  return /^\/api\/v1\/artifacts\/[\w-]+\/content$/.test(href);
}

const NAMED: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0", mdash: "—", ndash: "–", hellip: "…", times: "×", plusmn: "±" };

/** Text as it is read: what stands for a character becomes it. */
export function characters(text: string): string {
  return text.replace(/&(#x[\da-f]{1,6}|#\d{1,7}|\w{2,8});/gi, (whole, name: string) => {
    if (!name.startsWith("#")) return NAMED[name] ?? whole;
    const code = name[1]!.toLowerCase() === "x" ? parseInt(name.slice(2), 16) : Number(name.slice(1));
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}
