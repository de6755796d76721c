/** Evaluations and their utterances, as the API has them. */

export interface Score {
  rate: number | null;
  errors: number | null;
  tokens: number | null;
  hits: number | null;
  substitutions: number | null;
  deletions: number | null;
  insertions: number | null;
  utterances: number | null;
  covered: number | null;
  coverage: number | null;
  wrong: number | null;
  sentence_error_rate: number | null;
  empty_references: number | null;
  speakers: number | null;
  mean_of_speakers: number | null;
  mean_of_utterances: number | null;
  rtf: number | null;
  refused: string;
  flags: Record<string, unknown>;
  logged: number | null;
  logged_mean: number | null;
  logged_differs: boolean;
}

export interface Evaluation {
  id: string;
  run_id: string;
  run: string;
  test_set: string | null;
  name: string | null;
  registered: boolean;
  state: string;
  revision: number | null;
  language: string | null;
  decoding: Record<string, unknown>;
  checkpoint: string | null;
  hypotheses: number | null;
  started_at: string;
  score: Score | null;
}

export interface OneEvaluation {
  vector: string;
  profile: string;
  unit: string | null;
  evaluation: Evaluation;
}

/** Somebody doubts the reference: why, who, since when. */
export interface Mark {
  note: string;
  by: string | null;
  time: string;
}

export interface Utterance {
  utterance: string;
  speaker: string;
  reference: string;
  hypothesis: string | null;
  errors: number;
  tokens: number;
  audio: string;
  start: number | null;
  duration: number | null;
  mark: Mark | null;
}

export interface UtterancePage {
  factors: string[];
  marked: number;
  total: number;
  utterances: Utterance[];
  warnings: string[];
  vector: string;
}

/** A token that is recognised as another; reference null: put in; hypothesis null: left out. */
export interface Confusion {
  reference: string | null;
  hypothesis: string | null;
}

export function isConfusion({ reference, hypothesis }: Confusion): boolean {
  return reference !== null || hypothesis !== null;
}

/** beam=10,lm=0.5, as the server writes it for systems. */
export function decodingOf({ decoding }: { decoding: Record<string, unknown> }): string {
  return Object.entries(decoding).map(([key, value]) => `${key}=${typeof value === "object" ? JSON.stringify(value) : value}`).join(",");
}
