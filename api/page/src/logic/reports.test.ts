import { describe, expect, it } from "vitest";
import { frozenAt, limitOf, listed, panelForm, type PanelForm } from "./panel_form";
import { panelText } from "./panel_text";
import { characters, isPicture, panelsIn, pieces, safeLink } from "./report_body";
import { frozenText, marked, positionText, tableText } from "./reports";

const fence = "```";
const BODY = `# Decoders

Some *text*.

${fence}leaderboard
filter: task = 'asr' and tags.note = 'a: b'
sets: test-clean, with%2Ccomma
${fence}

- in a list
  ${fence}runs
  ${fence}

    ${fence}runs
    as code
    ${fence}

${fence}${fence}text
${fence}chart
${fence}
${fence}${fence}

~~~chart
metrics: val_wer
as_of: vAAA
~~~
`;

describe("panels", () => {
  it("are the fenced blocks at the left edge that begin with a kind, with their lines", () => {
    expect(panelsIn(BODY).map(({ kind, line, length }) => [kind, line, length])).toEqual([["leaderboard", 5, 4], ["chart", 23, 4]]);
    const [board, chart] = panelsIn(BODY) as [PanelForm, PanelForm];
    expect(board.values.filter).toBe("task = 'asr' and tags.note = 'a: b'");
    expect(listed(board, "sets")).toEqual(["test-clean", "with,comma"]);
    expect([limitOf(board), chart.values.as_of, chart.errors]).toEqual([50, "vAAA", []]);
  });
  it("are read again as they are written", () => {
    const text = panelText({ kind: "chart", values: { metrics: ["val, wer"], runs: ["a", "b"], filter: null, zoom: "0, 10" } });
    expect(text).toBe(`${fence}chart\nmetrics: val%2C wer\nruns: a, b\nzoom: 0, 10\n${fence}\n`);
    const [form] = panelsIn(text) as [PanelForm];
    expect([form.errors, listed(form, "metrics"), listed(form, "runs")]).toEqual([[], ["val, wer"], ["a", "b"]]);
  });
  it("cannot be left by a value", () => {
    const text = panelText({ kind: "runs", values: { filter: `name = 'a\n${fence}\n<script>'` } });
    expect(panelsIn(text).map((each) => each.values.filter)).toEqual([`name = 'a ${fence} <script>'`]);
  });
  it("say what is wrong with them, by the line", () => {
    const errors = (kind: PanelForm["kind"], text: string) => panelForm(kind, text, 10).errors.map((each) => `${each.line} ${each.text}`);
    expect(errors("runs", "limit: 0\nnothing\ncolour: red\nlimit: 5")).toEqual([
      "11 “limit” is a number from 1 to 200",
      "12 “nothing” is no line of the form key: value",
      "13 a panel “runs” has no “colour”; it has filter, columns, order, limit, title, as_of",
      "14 “limit” is there twice",
    ]);
    expect(errors("alignment", "utterance: u")).toEqual(["10 a panel “alignment” needs “evaluations: …”"]);
    expect(errors("chart", "metrics: a\nruns: b\nfilter: c\nsmoothing: 1\naxis: x")).toHaveLength(3);
    expect(errors("runs", "__proto__: x\nconstructor: y")).toHaveLength(2);
  });
  it("are frozen and live again where they stand", () => {
    const frozen = frozenAt(BODY, 5, "vNEW");
    expect(panelsIn(frozen).map((each) => each.values.as_of)).toEqual(["vNEW", "vAAA"]);
    expect(frozenAt(frozen, 5, null)).toBe(BODY);
    expect(panelsIn(frozenAt(BODY, 23, "vNEW"))[1]!.values.as_of).toBe("vNEW");
  });
});

describe("the text of a report", () => {
  const LINKS = ["javascript:alert(1)", " javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "vbscript:x", "//evil.example", "/\\evil.example", "java\nscript:alert(1)"];
  it("leads to the web and to this page, and runs nothing", () => {
    expect(LINKS.map(safeLink)).toEqual(LINKS.map(() => null));
    expect(["https://a.example/b", "/runs?x=1", "#there", "mailto:a@b.c"].every((each) => safeLink(each) === each)).toBe(true);
    expect(isPicture("https://evil.example/x.png") || isPicture("/api/v1/keys")).toBe(false);
    expect(isPicture("/api/v1/artifacts/0199a3c2-7f1e/content")).toBe(true);
  });
  it("has HTML as tokens of its own, which are shown as they are written", () => {
    const [piece] = pieces("<script>alert(1)</script>\n");
    expect(piece!.panel ? [] : piece!.tokens.map((each) => each.type)).toEqual(["html"]);
    expect(characters("a &amp; b &lt;i&gt; &#65;&#x42; &nothing;")).toBe("a & b <i> AB &nothing;");
  });
  it("is downloaded with what its panels show", () => {
    const sheet = { name: "Runs", notes: ["filter a|b"], vector: "vX", columns: [{ title: "Name" }, { title: "WER", numeric: true }], rows: [["a|b\n*c*", { text: "4.37 %", value: 0.0437, best: true }]] };
    const table = tableText(sheet);
    expect(table.split("\n").slice(0, 3)).toEqual(["| Name | WER |", "| --- | ---: |", "| a\\|b \\*c\\* | **4.37 %** |"]);
    expect(table).toContain("vector vX");
    const text = frozenText({ title: "T", body: BODY }, panelsIn(BODY), new Map([[5, table]]));
    expect(text).toContain(`Some *text*.\n\n| Name | WER |`);
    expect(text).toContain("~~~chart\nmetrics: val_wer");
    expect(text).not.toContain(`${fence}leaderboard`);
    expect(marked("<b>")).toBe("\\<b\\>");
  });
  it("says when a position was, where that is known", () => {
    expect(positionText("2026-11-01", {})).toBe("2026-11-01");
    expect(positionText("v".repeat(60), {})).toBe("an earlier position");
  });
});
