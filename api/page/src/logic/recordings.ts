/** What there is to listen to of an utterance, as the API has it, and where it lies. */
import type { Mark } from "./evaluations";
import { path } from "./api";

export interface Word {
  text: string;
  start: number;
  end: number;
  confidence: number | null;
}

export interface StoredFile {
  id: string;
  path: string;
  content_type: string;
  size_bytes: number;
  /** Of this utterance alone; else start and duration tell the stretch of it. */
  utterance: boolean;
}

export interface Recording {
  utterance: string;
  reference: string;
  mark: Mark | null;
  audio: string;
  start: number | null;
  duration: number | null;
  artifact: StoredFile | null;
  attention: StoredFile | null;
  words: Word[];
  alternatives: { text: string; score: number | null }[];
  warnings: string[];
}

/** A sound that the tracker serves; start and duration in seconds: the stretch of it that is meant, null for all of it. */
export interface Sound {
  address: string;
  bytes: number;
  start: number;
  duration: number | null;
}

export function soundOf({ artifact, start, duration }: Recording): Sound | null {
  if (!artifact) return null;
  const whole = artifact.utterance || start === null;
  return { address: contentAddress(artifact.id), bytes: artifact.size_bytes, start: whole ? 0 : start, duration: whole ? null : duration };
}

export function contentAddress(artifact: string): string {
  return path(`/artifacts/${artifact}/content`);
}

/** Why nothing can be heard, and what to do about it; the URI of what lies elsewhere stands beside it. */
export function silence({ audio, utterance }: Recording): string {
  const advice = `To listen here, log it with the run: run.log_audio(…, metadata={"utterance": "${utterance}"}).`;
  if (!audio) return `The test set names no audio for this utterance. ${advice}`;
  if (/^https?:\/\//i.test(audio)) return `Its audio lies on another server, and this page fetches nothing from outside. ${advice}`;
  const path = audio.startsWith("file:") || !/^[a-z][a-z0-9+.-]*:/i.test(audio);
  return path ? `Its audio lies on a researcher's disk, which the server does not read. ${advice}` : `Its audio lies in a store that the server does not read. ${advice}`;
}

/** The word that is spoken at a time, else the last one begun; -1 before the first. */
export function wordAt(words: readonly Word[], seconds: number): number {
  let found = -1;
  words.forEach((word, place) => {
    if (word.start <= seconds) found = place;
  });
  return found >= 0 && seconds > words[found]!.end + 0.5 ? -1 : found;
}
