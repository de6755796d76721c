import type { ComponentChildren } from "preact";
import type { Token, Tokens } from "marked";
import { characters, isPicture, safeLink } from "../logic/report_body";

/** Markdown as elements: there is no HTML on the way, and what an author writes of it is shown as it is written. */
export function Markdown({ tokens }: { tokens: readonly Token[] }) {
  return <>{tokens.map((token, i) => <Block key={i} token={token} />)}</>;
}

/** One level below: the title of the report is the first. */
const HEADINGS = ["h2", "h2", "h3", "h4", "h5", "h6"] as const;

function Block({ token }: { token: Token }): ComponentChildren {
  switch (token.type) {
    case "heading": {
      const Heading = HEADINGS[(token as Tokens.Heading).depth - 1] ?? "h6";
      return <Heading>{inline(token)}</Heading>;
    }
    case "paragraph": return <p>{inline(token)}</p>;
    case "text": return inline(token);
    case "hr": return <hr />;
    case "code": return <pre tabIndex={0}><code>{(token as Tokens.Code).text}</code></pre>;
    case "blockquote": return <blockquote><Markdown tokens={token.tokens ?? []} /></blockquote>;
    case "list": return <List list={token as Tokens.List} />;
    case "table": return <Table table={token as Tokens.Table} />;
    case "html": return token.raw.trimStart().startsWith("<!--") ? null : <p class="as-written">{token.raw.trim()}</p>;
    case "space": case "def": return null;
    default: return inline(token);
  }
}

function List({ list }: { list: Tokens.List }) {
  const items = list.items.map((item, i) => (
    <li key={i} class={item.task ? "task" : ""}>{item.task && !item.tokens.some((each) => each.type === "checkbox") && <input type="checkbox" disabled checked={item.checked} aria-label={item.checked ? "done" : "to be done"} />}<Markdown tokens={item.tokens} /></li>
  ));
  return list.ordered ? <ol start={list.start === "" ? 1 : list.start}>{items}</ol> : <ul>{items}</ul>;
}

function Table({ table }: { table: Tokens.Table }) {
  const look = (i: number) => (table.align[i] === "right" ? "number" : "");
  return (
    <div class="scrolled" tabIndex={0} role="region" aria-label="Table">
      <table>
        <thead><tr>{table.header.map((cell, i) => <th key={i} scope="col" class={look(i)}>{inline(cell)}</th>)}</tr></thead>
        <tbody>{table.rows.map((row, i) => <tr key={i}>{row.map((cell, j) => <td key={j} class={look(j)}>{inline(cell)}</td>)}</tr>)}</tbody>
      </table>
    </div>
  );
}

function inline(token: Token | Tokens.TableCell): ComponentChildren {
  const { tokens, text } = token as { tokens?: Token[]; text?: string };
  return tokens ? tokens.map((token, i) => <Inline key={i} token={token} />) : characters(text ?? "");
}

function Inline({ token }: { token: Token }): ComponentChildren {
  switch (token.type) {
    case "strong": return <strong>{inline(token)}</strong>;
    case "em": return <em>{inline(token)}</em>;
    case "del": return <del>{inline(token)}</del>;
    case "codespan": return <code>{(token as Tokens.Codespan).text}</code>;
    case "br": return <br />;
    case "link": return <Link link={token as Tokens.Link} />;
    case "image": return <Image image={token as Tokens.Image} />;
    case "checkbox": return <input type="checkbox" disabled checked={(token as Tokens.Checkbox).checked} aria-label={(token as Tokens.Checkbox).checked ? "done" : "to be done"} />;
    case "html": return token.raw.startsWith("<!--") ? null : token.raw;
    case "escape": return (token as Tokens.Escape).text;
    default: return inline(token);
  }
}

function Link({ link }: { link: Tokens.Link }) {
  const href = safeLink(characters(link.href));
  if (!href) return <>{inline(link)}</>;
  return /^[/#]/.test(href) ? <a href={href}>{inline(link)}</a> : <a href={href} target="_blank" rel="noopener noreferrer">{inline(link)}</a>;
}

function Image({ image }: { image: Tokens.Image }) {
  if (isPicture(image.href)) return <img src={image.href} alt={image.text} loading="lazy" />;
  return <Link link={{ ...image, type: "link", text: image.text || image.href, tokens: [{ type: "text", raw: image.text, text: image.text || image.href }] }} />;
}
