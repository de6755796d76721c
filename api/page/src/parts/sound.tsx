/** Sound to listen to and to look at; loaded only where there is some. */
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { size } from "../logic/format";
import { wordAt, type Sound, type Word } from "../logic/recordings";
import { FFT_SIZE, outline, PALETTE, spectrumAt } from "../logic/spectra";

interface Props {
  sound: Sound;
  label: string;
  words: readonly Word[];
  /** Which word is being spoken, -1 for none. */
  spoken?: (word: number) => void;
  /** Set to what goes to a word and plays. */
  seek?: { current: ((word: number) => void) | null };
}

/** mono, 16,000 samples a second: what can be seen of speech. */
type Samples = Float32Array;

const RATE = 16_000;
const MOST_BYTES = 32_000_000;
const RANGE_DB = 70;
const SLICE_MS = 8;
const WAVE_PX = 56;
const SPECTROGRAM_PX = 128;

export function SoundPanel({ sound, label, words, spoken, seek }: Props) {
  const player = useRef<HTMLAudioElement>(null);
  const { samples, told } = useSamples(sound);
  const [now, setNow] = useState<number | null>(null);
  const span = samples ? samples.length / RATE : sound.duration;
  const current = now === null ? -1 : wordAt(words, now);
  useEffect(() => spoken?.(current), [current]);
  const goTo = (seconds: number, play: boolean) => {
    player.current!.currentTime = sound.start + Math.max(0, seconds);
    setNow(seconds);
    if (play) void player.current!.play().catch(() => {});
  };
  if (seek) seek.current = (word) => words[word] && goTo(words[word].start, true);
  useFollowed(player, sound, setNow);
  const clicked = (event: MouseEvent) => {
    const box = (event.currentTarget as Element).getBoundingClientRect();
    if (span) goTo(((event.clientX - box.left) / box.width) * span, !player.current!.paused);
  };
  return (
    <section class="card sound" aria-label="Sound">
      <audio controls preload="metadata" ref={player} src={address(sound)} aria-label={label} />
      <div class={told ? "" : "seen"} onClick={clicked}>
        {samples && <Wave samples={samples} />}
        {samples && <Spectrogram samples={samples} label={label} />}
        {span !== null && now !== null && <i class="playhead" style={{ left: `${Math.min(100, (now / span) * 100)}%` }} />}
      </div>
      {span !== null && words.length > 0 && (
        <div class="tier" role="group" aria-label="Words as they were recognised; each plays from its beginning">
          {words.map((word, place) => (
            <button
              type="button" key={place} aria-current={place === current} title={told_(word)}
              style={{ left: `${(word.start / span) * 100}%`, width: `${(Math.max(0.01, word.end - word.start) / span) * 100}%` }}
              onClick={() => goTo(word.start, true)}
            >{word.text}</button>
          ))}
        </div>
      )}
      {told && <p class="quiet">{told}</p>}
    </section>
  );
}

function told_({ text, start, end, confidence }: Word): string {
  return `${text}: ${start.toFixed(2)} – ${end.toFixed(2)} s${confidence === null ? "" : `, confidence ${confidence.toFixed(2)}`}`;
}

/** With the stretch that is meant, as browsers understand it. */
function address({ address, start, duration }: Sound): string {
  if (!start && duration === null) return address;
  return `${address}#t=${start}${duration === null ? "" : `,${start + duration}`}`;
}

/** Tells where the player is, as often as the screen is drawn while it plays; it ends where the stretch ends. */
function useFollowed(player: { current: HTMLAudioElement | null }, { address, start, duration }: Sound, follow: (seconds: number) => void): void {
  useEffect(() => {
    const audio = player.current!;
    let frame = 0;
    const look = () => {
      const seconds = audio.currentTime - start;
      follow(seconds);
      if (duration !== null && seconds >= duration && !audio.paused) audio.pause();
      frame = audio.paused || audio.ended ? 0 : requestAnimationFrame(look);
    };
    const begin = () => {
      cancelAnimationFrame(frame);
      look();
    };
    for (const name of ["play", "pause", "seeked", "ended"]) audio.addEventListener(name, begin);
    return () => {
      cancelAnimationFrame(frame);
      for (const name of ["play", "pause", "seeked", "ended"]) audio.removeEventListener(name, begin);
    };
  }, [address, start, duration]);
}

/** The samples to be drawn; told: why there are none. */
function useSamples({ address, bytes, start, duration }: Sound): { samples: Samples | null; told: string } {
  const [state, setState] = useState<{ samples: Samples | null; told: string }>({ samples: null, told: "" });
  useEffect(() => {
    if (bytes > MOST_BYTES) {
      setState({ samples: null, told: `Its file has ${size(bytes)}: it is played, but not drawn.` });
      return;
    }
    const abort = new AbortController();
    decoded(address, abort.signal).then(
      (samples) => setState({ samples: samples.subarray(start * RATE, duration === null ? undefined : (start + duration) * RATE), told: "" }),
      (error: Error) => abort.signal.aborted || setState({ samples: null, told: `It cannot be drawn: ${error.message}` }),
    );
    return () => abort.abort();
  }, [address, start, duration]);
  return state;
}

async function decoded(address: string, signal: AbortSignal): Promise<Samples> {
  const answer = await fetch(address, { signal, credentials: "same-origin" });
  if (!answer.ok) throw new Error(`the server answered ${answer.status}.`);
  const sound = await new OfflineAudioContext(1, 1, RATE).decodeAudioData(await answer.arrayBuffer());
  return sound.getChannelData(0);
}

function Wave({ samples }: { samples: Samples }) {
  const { canvas, width } = useCanvas(WAVE_PX);
  useLayoutEffect(() => {
    const paper = canvas.current!.getContext("2d")!;
    const { height } = canvas.current!;
    const parts = outline(samples, canvas.current!.width);
    const loudest = Math.max(1e-6, ...parts.map(([low, high]) => Math.max(-low, high)));
    paper.clearRect(0, 0, canvas.current!.width, height);
    paper.fillStyle = getComputedStyle(canvas.current!).color;
    parts.forEach(([low, high], x) => {
      const top = (0.5 - (high / loudest) * 0.48) * height;
      paper.fillRect(x, top, 1, Math.max(1, (0.5 - (low / loudest) * 0.48) * height - top));
    });
  }, [samples, width]);
  return <canvas class="wave" ref={canvas} aria-hidden="true" />;
}

/** Linear in frequency, from the bottom up to 8 kHz; the loudest point and 70 dB below it. */
function Spectrogram({ samples, label }: { samples: Samples; label: string }) {
  const { canvas, width } = useCanvas(SPECTROGRAM_PX);
  const [drawn, setDrawn] = useState(false);
  useEffect(() => {
    const given = { current: true };
    setDrawn(false);
    void draw(canvas.current!, samples, given).then(() => given.current && setDrawn(true));
    return () => {
      given.current = false;
    };
  }, [samples, width]);
  return <canvas class="spectrogram" ref={canvas} role="img" aria-label={`Spectrogram of ${label}, 0 to 8 kHz`} data-drawn={drawn} />;
}

/** As many spectra as there are pixels, in slices so short that nothing else has to wait. */
async function draw(canvas: HTMLCanvasElement, samples: Samples, wanted: { current: boolean }): Promise<void> {
  const columns = canvas.width;
  const spectra: Float32Array[] = [];
  let loudest = -Infinity;
  let began = performance.now();
  for (let x = 0; x < columns; x += 1) {
    const spectrum = spectrumAt(samples, ((x + 0.5) / columns) * samples.length);
    spectra.push(spectrum);
    for (const level of spectrum) if (level > loudest) loudest = level;
    if (performance.now() - began < SLICE_MS) continue;
    await new Promise((next) => setTimeout(next));
    if (!wanted.current) return;
    began = performance.now();
  }
  const image = new ImageData(columns, FFT_SIZE / 2);
  spectra.forEach((spectrum, x) => {
    for (let k = 0; k < spectrum.length; k += 1) {
      const shade = Math.max(0, Math.min(255, Math.round(((spectrum[k]! - loudest + RANGE_DB) / RANGE_DB) * 255)));
      const place = 4 * ((spectrum.length - 1 - k) * columns + x);
      for (let c = 0; c < 3; c += 1) image.data[place + c] = PALETTE[3 * shade + c]!;
      image.data[place + 3] = 255;
    }
  });
  const bitmap = await createImageBitmap(image);
  if (wanted.current) canvas.getContext("2d")!.drawImage(bitmap, 0, 0, columns, canvas.height);
}

/** A canvas as wide as its place, in the pixels of the screen; width changes with it. */
function useCanvas(height: number) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const fit = () => {
      const wide = Math.max(1, Math.round(canvas.current!.clientWidth * devicePixelRatio));
      if (canvas.current!.width === wide && canvas.current!.height === height * devicePixelRatio) return;
      canvas.current!.width = wide;
      canvas.current!.height = Math.round(height * devicePixelRatio);
      setWidth(wide);
    };
    fit();
    const observer = new ResizeObserver(fit);
    observer.observe(canvas.current!);
    return () => observer.disconnect();
  }, []);
  return { canvas, width };
}
