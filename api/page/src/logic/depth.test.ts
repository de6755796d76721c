import { describe, expect, it } from "vitest";
import { matrixOf, spreadOf, type Group } from "./breakdowns";
import { evenMoments, momentsOf, placeOf } from "./moments";
import { indentedJson, previewOf, rowsOf } from "./previews";
import { silence, soundOf, wordAt, type Recording } from "./recordings";
import { fft, FFT_SIZE, outline, spectrumAt } from "./spectra";

describe("recordings", () => {
  const words = [{ text: "go", start: 0.5, end: 0.7, confidence: null }, { text: "on", start: 0.7, end: 1.2, confidence: 0.9 }];
  const artifact = { id: "7", path: "a.wav", content_type: "audio/wav", size_bytes: 9, utterance: false };
  const one: Recording = { utterance: "a", reference: "go on", audio: "file:///corpus/a.wav", start: 3, duration: 2, artifact, attention: null, mark: null, words, alternatives: [], warnings: [] };
  it("are a stretch of a file, unless the file is of the utterance alone", () => {
    expect(soundOf(one)).toEqual({ address: "/api/v1/artifacts/7/content", bytes: 9, start: 3, duration: 2 });
    expect(soundOf({ ...one, artifact: { ...artifact, utterance: true } })).toMatchObject({ start: 0, duration: null });
    expect(soundOf({ ...one, artifact: null })).toBeNull();
  });
  it("say where they are when they cannot be heard", () => {
    expect(silence(one)).toContain("researcher's disk");
    expect(silence({ ...one, audio: "https://corpora/a.wav" })).toContain("another server");
    expect(silence({ ...one, audio: "s3://corpora/a.wav" })).toContain("in a store");
    expect(silence({ ...one, audio: "" })).toContain("names no audio");
  });
  it("know which word is spoken", () => {
    expect([0.4, 0.5, 0.69, 0.7, 1.3, 2].map((time) => wordAt(words, time))).toEqual([-1, 0, 0, 1, 1, -1]);
  });
});

describe("spectra", () => {
  const sine = Float32Array.from({ length: 4_000 }, (_, i) => Math.sin((2 * Math.PI * 1_000 * i) / 16_000));
  it("have a sine at its frequency, a full one at 0 dB", () => {
    const spectrum = spectrumAt(sine, 2_000);
    const loudest = spectrum.indexOf(Math.max(...spectrum));
    expect((loudest * 16_000) / FFT_SIZE).toBe(1_000);
    expect(spectrum[loudest]).toBeCloseTo(0, 1);
    expect(Math.max(...spectrum.slice(100))).toBeLessThan(-90);
  });
  it("agree with the definition of the transform", () => {
    const values = Array.from({ length: 16 }, (_, i) => Math.sin(i * i));
    const [re, im] = [Float32Array.from(values), new Float32Array(16)];
    fft(re, im);
    for (let k = 0; k < 16; k += 1) {
      const angle = (i: number) => (-2 * Math.PI * i * k) / 16;
      expect(re[k]).toBeCloseTo(values.reduce((sum, value, i) => sum + value * Math.cos(angle(i)), 0), 4);
      expect(im[k]).toBeCloseTo(values.reduce((sum, value, i) => sum + value * Math.sin(angle(i)), 0), 4);
    }
  });
  it("are drawn over an outline that misses no peak", () => {
    expect(outline(Float32Array.from([0, 0.5, -0.25, 0, 0, -1, 0.75, 0]), 2)).toEqual([[-0.25, 0.5], [-1, 0.75]]);
    expect(outline(Float32Array.from([1]), 3)).toHaveLength(3);
  });
});

describe("moments of a run", () => {
  const events = [["00", "run.started"], ["00", "run.configured"], ["05", "metrics.logged"]].map(([second, type]) => ({ time: `2026-11-30T08:00:${second}.000Z`, type: type! }));
  it("are one for each time, with the last event of it", () => {
    expect(momentsOf(events).map(({ type, events }) => [type, events])).toEqual([["run.configured", 2], ["metrics.logged", 3]]);
  });
  it("begin with the run, whose producers are known before it is", () => {
    const opened = [{ time: "2026-11-30T07:59:58Z", type: "producer.opened" }, { time: "2026-11-30T07:59:59Z", type: "producer.opened" }];
    expect(momentsOf([...opened, ...events]).map(({ type, events }) => [type, events])).toEqual([["run.configured", 4], ["metrics.logged", 5]]);
  });
  it("are found again by a time", () => {
    const moments = momentsOf(events);
    expect(["07:59:00", "08:00:00", "08:00:04", "08:00:05", "09:00:00"].map((time) => placeOf(moments, `2026-11-30T${time}Z`))).toEqual([0, 0, 0, 1, 1]);
  });
  it("lie at equal distances where there are too many", () => {
    expect(evenMoments(events[0]!.time, "2026-11-30T08:00:10Z", 2).map((each) => each.time)).toEqual(["2026-11-30T08:00:05.000Z", "2026-11-30T08:00:10.000Z"]);
  });
});

describe("previews", () => {
  it("have lists of plain values on a line, and texts as they are", () => {
    expect(indentedJson({ counts: [[6, 0], [0, 2]], none: [], text: "[\n 1\n]" })).toBe('{\n  "counts": [\n    [6, 0],\n    [0, 2]\n  ],\n  "none": [],\n  "text": "[\\n 1\\n]"\n}');
    expect(indentedJson(Array.from({ length: 60 }, (_, i) => i)).split("\n")).toHaveLength(62);
  });
  const of = (path: string, content_type: string, storage = { kind: "blob" }) => previewOf({ path, content_type, storage });
  it("are of what can be looked at, and a page or a script is a text", () => {
    expect([of("a.png", "image/png"), of("a.svg", "image/svg+xml"), of("a.wav", "audio/wav"), of("a.json", "application/json")]).toEqual(["image", "image", "audio", "json"]);
    expect([of("a.csv", "text/csv"), of("a.html", "text/html"), of("a.trn", "application/octet-stream"), of("a.pt", "application/octet-stream")]).toEqual(["table", "text", "text", "none"]);
    expect(of("a.png", "image/png", { kind: "reference" })).toBe("reference");
  });
  it("of tables have their first rows, and none that was cut off", () => {
    const text = 'a,"b, c"\r\n1,"say ""hi""\nthere"\n2,';
    expect(rowsOf(text, ",", 9, true)).toEqual([["a", "b, c"], ["1", 'say "hi"\nthere'], ["2", ""]]);
    expect(rowsOf(text, ",", 9, false)).toHaveLength(2);
    expect(rowsOf(text, ",", 1, true)).toEqual([["a", "b, c"]]);
  });
});

describe("groups", () => {
  const group = (by: Record<string, string>, rate: number | null): Group => ({ by, rate, errors: 1, tokens: 9, substitutions: 1, deletions: 0, insertions: 0, utterances: 1, coverage: 1, interval: null });
  it("are spread around their median", () => {
    const found = [0.4, 0.1, null, 0.2, 0.3].map((rate, i) => group({ speaker: String(i) }, rate));
    const { low, quarter, median, threeQuarters, high } = spreadOf(found)!;
    expect([low, quarter, median, threeQuarters, high].map((each) => each.toFixed(3))).toEqual(["0.100", "0.175", "0.250", "0.325", "0.400"]);
    expect(spreadOf(found.slice(0, 1))).toBeNull();
  });
  it("of two factors are a matrix, numbers in their order", () => {
    const found = [group({ l: "en", s: "10" }, 0.1), group({ l: "de", s: "5" }, 0.2), group({ l: "de", s: "10" }, null)];
    const { rows, columns, cell, highest } = matrixOf(found, ["l", "s"]);
    expect([rows, columns, highest]).toEqual([["de", "en"], ["5", "10"], 0.2]);
    expect([cell("de", "5"), cell("en", "5")]).toEqual([found[1], undefined]);
  });
});
