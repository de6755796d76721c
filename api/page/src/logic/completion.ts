/** What may stand next in the filter language, at the place where somebody types. */
import { quoted } from "./columns";

export type Wanted = "field" | "operator" | "value" | "connective" | "direction" | "nothing";

export interface Place {
  wanted: Wanted;
  /** The field that an operator or a value is for. */
  field: string;
  /** The part of the text that a choice replaces: what is typed of a word so far. */
  from: number;
  to: number;
  typed: string;
}

interface Token {
  text: string;
  from: number;
  to: number;
}

const TOKENS = /'(?:[^']|'')*(?:'(?!')|$)|"(?:[^"]|"")*(?:"(?!")|$)|<=|>=|!=|[=<>(),]|[\p{L}\w]+(?:\.[\p{L}\w-]*|\[[^\]]*(?:\]|$))*|\S/gu;
const COMPARED = new Set(["=", "!=", "<", "<=", ">", ">=", "like", "ilike", "contains"]);

export const OPERATORS = ["=", "!=", "<", "<=", ">", ">=", "in (", "not in (", "like", "ilike", "contains", "between", "is null", "is not null"];
export const CONNECTIVES = ["and", "or", "order by"];
export const DIRECTIONS = ["desc", "asc"];

/** What is wanted at the caret. */
export function placeAt(text: string, caret: number): Place {
  const before = tokens(text.slice(0, caret));
  const last = before.at(-1);
  const open = last && last.to === caret && /^['"\p{L}\w]/u.test(last.text) ? before.pop()! : null;
  const { wanted, field } = walked(before);
  const from = open?.from ?? caret;
  const to = open ? caret + /^[\p{L}\w.]*/u.exec(text.slice(caret))![0].length : caret;
  return { wanted, field, from, to, typed: open?.text ?? "" };
}

function tokens(text: string): Token[] {
  return [...text.matchAll(TOKENS)].map((found) => ({ text: found[0], from: found.index, to: found.index + found[0].length }));
}

type State = "field" | "operator" | "list" | "in" | "listed" | "value" | "low" | "between" | "is" | "connective" | "order" | "by" | "direction";

const WANTED: Record<State, Wanted> = {
  field: "field", operator: "operator", list: "nothing", in: "value", listed: "nothing", value: "value", low: "value", between: "nothing",
  is: "nothing", connective: "connective", order: "nothing", by: "field", direction: "direction",
};

function walked(before: readonly Token[]): { wanted: Wanted; field: string } {
  let state: State = "field";
  let field = "";
  for (const { text } of before) {
    if (state === "field" || state === "by") field = text;
    state = after(state, text.toLowerCase());
  }
  return { wanted: WANTED[state], field: WANTED[state] === "field" ? "" : field };
}

function after(state: State, word: string): State {
  switch (state) {
    case "field": return word === "not" || word === "(" ? "field" : word === "order" ? "order" : "operator";
    case "operator": return word === "in" ? "list" : word === "between" ? "low" : word === "is" ? "is" : COMPARED.has(word) ? "value" : "operator";
    case "list": return "in";
    case "in": return "listed";
    case "listed": return word === "," ? "in" : word === ")" ? "connective" : "listed";
    case "value": return "connective";
    case "low": return "between";
    case "between": return word === "and" ? "value" : "between";
    case "is": return word === "null" ? "connective" : "is";
    case "connective": return word === "and" || word === "or" ? "field" : word === "order" ? "order" : "connective";
    case "order": return "by";
    case "by": return "direction";
    case "direction": return word === "," ? "by" : "direction";
  }
}

/** The text with a choice in the place of what was typed, and where the caret goes. */
export function completed(text: string, place: Place, choice: string): { text: string; caret: number } {
  const space = choice.endsWith("(") || text[place.to] === " " ? "" : " ";
  const start = text.slice(0, place.from) + choice + space;
  return { text: start + text.slice(place.to), caret: start.length + (space || choice.endsWith("(") ? 0 : 1) };
}

/** Of the choices, those that begin with what is typed, then those that contain it; none that is all there already. */
export function matching(choices: readonly string[], typed: string, most: number): string[] {
  const words = bare(typed);
  const begin = choices.filter((each) => bare(each).startsWith(words));
  const contain = choices.filter((each) => !bare(each).startsWith(words) && bare(each).includes(words));
  return [...begin, ...contain].filter((each) => each !== typed).slice(0, most);
}

function bare(text: string): string {
  return text.toLowerCase().replace(/^['"]/, "").replace(/['"]$/, "");
}

/** A key behind params, metrics or tags, as the language has it. */
export function keyed(root: string, key: string): string {
  return /^[A-Za-z_]\w*(\.\w+)*$/.test(key) ? `${root}.${key}` : `${root}[${quoted(key)}]`;
}

export function literal(value: string): string {
  return /^-?\d+(\.\d+)?(e[-+]?\d+)?$/i.test(value) ? value : quoted(value);
}
