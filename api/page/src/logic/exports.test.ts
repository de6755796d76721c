import { describe, expect, it } from "vitest";
import { svg, ticks, type Drawing } from "./chart_svg";
import { csv, escaped, fileName, latex, origin, type Sheet } from "./exports";
import { boardSheet } from "./sheets";

const sheet: Sheet = {
  name: "Board", notes: ["profile basic-wer"], vector: "vAB",
  columns: [{ title: "System" }, { title: "test_clean", numeric: true }],
  rows: [["a, \"b\"", { text: "4.37 %", value: 0.0437251, best: true }], ["=HYPERLINK(1)", { text: "–", value: null }], ["# x\ny", 3], ["-0.5", null]],
};

describe("tables", () => {
  it("say what they were made from, in one line", () => {
    expect(origin({ ...sheet, notes: ["filter name = 'a\nb'"] }, new Date("2026-11-30T08:00:00.123Z"), "https://t/x")).toBe(
      "Board; filter name = 'a b'; vector vAB; exported 2026-11-30T08:00:00Z; https://t/x",
    );
  });
  it("are CSV with whole numbers, in which no name is a formula or a comment", () => {
    expect(csv(sheet, "about").split("\r\n")).toEqual(["# about", "System,test_clean", '"a, ""b""",0.0437251', "'=HYPERLINK(1),", '"# x\ny",3', "-0.5,", ""]);
  });
  it("are LaTeX as people read them", () => {
    expect(latex(sheet, "about").split("\n")).toEqual([
      "% about", "% \\usepackage{booktabs}", "\\begin{tabular}{lr}", "\\toprule", "System & test\\_clean \\\\", "\\midrule",
      "a, \\textquotedbl{}b\\textquotedbl{} & \\textbf{4.37\\,\\%} \\\\", "=HYPERLINK(1) & -- \\\\", "\\# x y & 3 \\\\", "-0.5 &  \\\\", "\\bottomrule", "\\end{tabular}", "",
    ]);
  });
  it("have no commands of others", () => {
    expect(escaped("\\input{/etc/passwd} $x^2$ & ~ 1±2 %")).toBe(
      "\\textbackslash{}input\\{/etc/passwd\\} \\$x\\textasciicircum{}2\\$ \\& \\textasciitilde{} 1$\\pm$2\\,\\%",
    );
  });
  it("have names that are files", () => {
    expect(fileName("../a wer['b/c']", "csv")).toBe("a-wer-b-c.csv");
    expect(fileName("//", "svg")).toBe("export.svg");
  });
  it("of a board mark the best, and what is not comparable", () => {
    const cell = (rate: number, differs: string[] = []) => ({ evaluation: "e", rate, errors: 1, tokens: 9, utterances: 4, coverage: 0.5, mean_of_speakers: null, speakers: null, rtf: null, revision: 1, differs });
    const system = (run: string, clean: ReturnType<typeof cell>) => ({ run_id: run, run, experiment: "E", decoding: "", cells: { clean }, macro_over_sets: null, missing: 0 });
    const board = {
      vector: "v", profile: "p", unit: "word", test_sets: [{ test_set: "clean", registered: true, revision: 2, references: "d", systems: 2 }],
      systems: [system("a", cell(0.2)), system("b", cell(0.1, ["coverage"]))],
    };
    const made = boardSheet(board, board.systems);
    expect(made.notes).toEqual(["profile p", "clean revision 2"]);
    expect(made.rows).toEqual([
      ["a", "E", "", { text: "20.00 %", value: 0.2, best: true }, ""],
      ["b", "E", "", { text: "10.00 %", value: 0.1, best: false }, "50.0 % covered"],
    ]);
  });
});

describe("drawings", () => {
  const drawing: Drawing = {
    name: "val_wer <script>", about: "it's \"so\"", axis: "step", log: false, zoom: null,
    lines: [{ name: "<img onerror=1> & \u0001", colour: "#123456", dash: [4, 2], x: [0, 1, 2, 3], y: [0.5, null, 0.25, 0.2], raw: null }],
  };
  it("hold texts as texts", () => {
    const made = svg(drawing);
    expect(made).toContain("val_wer &lt;script&gt;");
    expect(made).toContain("&lt;img onerror=1&gt; &amp; </text>");
    expect(made).not.toMatch(/<script|<img|\u0001/);
  });
  it("break lines at gaps, and cut them at the zoom", () => {
    expect(svg(drawing).match(/ d="(M[^"]*)" stroke="#123456" stroke-width="1.8"/)![1]!.match(/[ML]/g)).toEqual(["M", "M", "L"]);
    expect(svg({ ...drawing, zoom: [2, 3] }).match(/ d="(M[^"]*)" stroke="#123456" stroke-width="1.8"/)![1]!.match(/[ML]/g)).toEqual(["M", "L"]);
  });
  it("fill what a line varies between", () => {
    const band = { x: [0, 1, 2], low: [0.4, 0.3, 0.2], high: [0.6, 0.4, 0.3] };
    const made = svg({ ...drawing, lines: [{ ...drawing.lines[0]!, band }] });
    expect(made.match(/ d="(M[^"]*Z)" fill="#123456"/)![1]!.split("L")).toHaveLength(6);
    expect(svg({ ...drawing, log: true, lines: [{ ...drawing.lines[0]!, band: { ...band, low: [0, 0.1, -1] } }] })).not.toMatch(/NaN|Infinity/);
  });
  it("have round marks on their axes, per cent for rates", () => {
    expect(ticks(0, 1)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
    expect(svg({ ...drawing, name: "val_wer" })).toContain(">20 %</text>");
    expect(svg({ ...drawing, log: true, lines: [{ ...drawing.lines[0]!, y: [1, 10, 0, -1] }] })).not.toMatch(/NaN|Infinity/);
    expect(svg({ ...drawing, lines: [] })).not.toMatch(/NaN|Infinity/);
  });
});
