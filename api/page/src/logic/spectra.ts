/** What is drawn of sound: the outline of a wave, and its power over time and frequency in decibels. */

export const FFT_SIZE = 512;
const WINDOW = Float32Array.from({ length: FFT_SIZE }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / FFT_SIZE));
const FLOOR_DB = -120;

/** In place, radix 2; the length is a power of two. */
export function fft(re: Float32Array, im: Float32Array): void {
  const size = re.length;
  for (let i = 1, j = 0; i < size; i += 1) {
    let bit = size >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [re[i], re[j]] = [re[j]!, re[i]!];
      [im[i], im[j]] = [im[j]!, im[i]!];
    }
  }
  for (let half = 1; half < size; half <<= 1) {
    const angle = -Math.PI / half;
    for (let k = 0; k < half; k += 1) {
      const [cos, sin] = [Math.cos(angle * k), Math.sin(angle * k)];
      for (let i = k; i < size; i += half << 1) {
        const j = i + half;
        const [x, y] = [re[j]! * cos - im[j]! * sin, re[j]! * sin + im[j]! * cos];
        re[j] = re[i]! - x;
        im[j] = im[i]! - y;
        re[i] = re[i]! + x;
        im[i] = im[i]! + y;
      }
    }
  }
}

/** Decibels of FFT_SIZE / 2 frequencies from 0 up to half the sample rate, of a Hann window around a sample; 0: a full sine. */
export function spectrumAt(samples: Float32Array, centre: number): Float32Array {
  const [re, im] = [new Float32Array(FFT_SIZE), new Float32Array(FFT_SIZE)];
  const first = Math.round(centre) - FFT_SIZE / 2;
  for (let i = 0; i < FFT_SIZE; i += 1) re[i] = (samples[first + i] ?? 0) * WINDOW[i]!;
  fft(re, im);
  return Float32Array.from({ length: FFT_SIZE / 2 }, (_, k) => {
    const power = (re[k]! ** 2 + im[k]! ** 2) / (FFT_SIZE / 4) ** 2;
    return power > 0 ? Math.max(FLOOR_DB, 10 * Math.log10(power)) : FLOOR_DB;
  });
}

/** The smallest and the greatest sample of each of so many equal parts. */
export function outline(samples: Float32Array, parts: number): [number, number][] {
  return Array.from({ length: parts }, (_, part) => {
    const [first, end] = [Math.floor((part * samples.length) / parts), Math.floor(((part + 1) * samples.length) / parts)];
    let [low, high] = [0, 0];
    for (let i = first; i < Math.max(end, first + 1); i += 1) {
      const value = samples[i] ?? 0;
      if (value < low) low = value;
      if (value > high) high = value;
    }
    return [low, high];
  });
}

/** From silence to loud: dark blue, violet, orange, pale yellow; red, green and blue of 256 steps. */
export const PALETTE = palette([[9, 10, 28], [66, 22, 105], [160, 44, 96], [233, 104, 50], [252, 196, 80], [252, 253, 200]]);

function palette(stops: [number, number, number][]): Uint8ClampedArray {
  const colours = new Uint8ClampedArray(256 * 3);
  for (let i = 0; i < 256; i += 1) {
    const place = (i / 255) * (stops.length - 1);
    const stop = Math.min(stops.length - 2, Math.floor(place));
    for (let c = 0; c < 3; c += 1) colours[3 * i + c] = stops[stop]![c]! + (stops[stop + 1]![c]! - stops[stop]![c]!) * (place - stop);
  }
  return colours;
}
