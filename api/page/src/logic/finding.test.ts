import { describe, expect, it } from "vitest";
import { lit, placesOf, wordsOf } from "./finding";

const NOTHING = { experiments: [], runs: [], test_sets: [], evaluations: [], people: [], reports: [] };

describe("what is found", () => {
  it("leads to the view that shows it, whatever is in its name", () => {
    const [sets, people] = placesOf({ ...NOTHING, test_sets: [{ name: "it's", runs: 1 }], people: [{ user: "a b", runs: 2 }] });
    expect(sets!.places[0]).toMatchObject({ title: "it's", about: "1 run", to: `/leaderboard?${new URLSearchParams({ filter: "test_set = 'it''s'" })}` });
    expect(people!.places[0]!.to).toBe(`/runs?${new URLSearchParams({ filter: "user = 'a b'" })}`);
  });
  it("has no groups without places", () => expect(placesOf(NOTHING)).toEqual([]));
});

describe("words", () => {
  it("are lit where a name has them, whatever their case and their signs", () => {
    expect(lit("Conformer (a.b) x", wordsOf(" conf  (A.B) "))).toEqual([
      { text: "Conf", lit: true }, { text: "ormer ", lit: false }, { text: "(a.b)", lit: true }, { text: " x", lit: false },
    ]);
    expect(lit("name", [])).toEqual([{ text: "name", lit: false }]);
  });
});
