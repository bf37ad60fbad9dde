import { LinePlayer, linesOf } from 'weblive';
import { ClockReader } from 'weblive/testcard';

/** What is seen of a broadcast that is watched over lines. */
export interface Watched {
  /** Lines that were shown, and why others were not. */
  told: string[];
  shown: string | null;
  /** Frames of the line on the screen whose painted clock was read. */
  readings: number;
}

/** Watches a stream over some of its lines, in this order. */
class LineWatch {
  readonly #told: string[] = [];
  #player: LinePlayer | null = null;
  #reader: ClockReader | null = null;

  start(origin: string, stream: string, kinds: string[]): void {
    const container = document.createElement('div');
    container.style.cssText = 'width: 320px; height: 240px';
    document.body.append(container);
    const all = linesOf(stream, { origin });
    const player = new LinePlayer({ container, lines: kinds.map((kind) => all.find((line) => line.kind === kind)!) });
    this.#player = player;
    player.on('lineError', ({ line, error }) => this.#told.push(`${line.kind}: ${error.type}: ${error.message}`));
    player.on('error', (error) => this.#told.push(`error: ${error.message}`));
    player.on('line', ({ line }) => {
      this.#told.push(`shows ${line.kind}`);
      this.#reader?.stop();
      this.#reader = new ClockReader(player.video!);
      this.#reader.start();
    });
    player.start();
  }

  look(): Watched {
    const reader = this.#reader;
    return { told: this.#told, shown: this.#player?.line?.kind ?? null, readings: reader ? reader.frames - reader.unreadable : 0 };
  }

  stop(): void {
    this.#reader?.stop();
    this.#player?.stop();
  }
}

declare global {
  interface Window {
    LineWatch: typeof LineWatch;
    lineWatch: LineWatch;
  }
}

window.LineWatch = LineWatch;
