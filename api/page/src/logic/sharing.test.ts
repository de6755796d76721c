import { describe, expect, it } from "vitest";
import { shareable, sharedAddress } from "./sharing";

describe("shared views", () => {
  const share = { id: "s-1", name: "", path: "/compare?runs=a%2Cb", as_of: "vAB", moment: null, expires_at: "" };
  it("keep what they are about, with the link and the moment that they show", () => {
    expect(sharedAddress(share)).toBe("/compare?runs=a%2Cb&share=s-1&as_of=vAB");
    expect(sharedAddress({ ...share, path: "/leaderboard", as_of: null })).toBe("/leaderboard?share=s-1");
  });
  it("stay on this server, whatever a link says", () => {
    expect(sharedAddress({ ...share, path: "//evil.example/runs", as_of: null })).toBe("/runs?share=s-1");
  });
  it("are those that a link can show", () => {
    expect(["/runs", "/runs/1/charts", "/evaluations/1", "/leaderboard", "/compare"].every(shareable)).toBe(true);
    expect(["/", "/operations", "/evaluations", "/shared", "/runsx"].some(shareable)).toBe(false);
  });
});
