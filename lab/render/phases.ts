import type { Progress } from "../progress.ts";

/** One part of a long command. Phases run one after the other and share values through variables of the function that creates them. */
export interface Phase {
  readonly title: string;
  run(progress: Progress): Promise<void>;
}

export interface PhaseTime {
  readonly title: string;
  readonly seconds: number;
}

interface PhaseOptions {
  /** Default: standard error is a terminal and this is no CI. */
  readonly live?: boolean;
  /** Default: standard error, so that standard output has only the command's result. */
  readonly write?: (line: string) => void;
  /** Seconds after which a phase without output prints that it still runs. Default 5. */
  readonly heartbeatSeconds?: number;
}

/**
 * Runs phases in order and shows the running one, its duration and the next one: a live list on a terminal, otherwise
 * plain lines.
 * @returns the seconds of each phase.
 * @throws what a phase threw; the phases after it do not run.
 */
export async function runPhases(
  phases: readonly Phase[],
  options: PhaseOptions = {},
): Promise<readonly PhaseTime[]> {
  const live = options.live ?? (process.stderr.isTTY === true && process.env.CI === undefined);
  return live ? runLive(phases) : runPlain(phases, options);
}

async function runPlain(phases: readonly Phase[], options: PhaseOptions): Promise<readonly PhaseTime[]> {
  const write = options.write ?? ((line: string) => void process.stderr.write(`${line}\n`));
  const heartbeatSeconds = options.heartbeatSeconds ?? 5;
  const times: PhaseTime[] = [];
  for (const [index, phase] of phases.entries()) {
    const watch = stopwatch();
    const next = phases[index + 1]?.title;
    const place = `[${index + 1}/${phases.length}]`;
    write(`${place} ${phase.title}${next === undefined ? "" : ` (next: ${next})`}`);
    const activity = new Activity();
    let written = "";
    let sinceLine = stopwatch();
    const say = (text: string) => {
      sinceLine = stopwatch();
      write(`${place} ${seconds(watch()).padStart(7)}  ${text}`);
    };
    const timer = setInterval(() => {
      // Progress that changes many times a second is printed once a second.
      if (activity.message !== written && sinceLine() >= 1) {
        written = activity.message;
        say(written);
      } else if (sinceLine() >= heartbeatSeconds) say(`still: ${activity.text(phase.title)}`);
    }, 100);
    try {
      await phase.run((message) => activity.say(message));
    } catch (error) {
      if (activity.message !== written) say(activity.message);
      say(`failed: ${phase.title}`);
      throw error;
    } finally {
      clearInterval(timer);
    }
    times.push({ title: phase.title, seconds: watch() });
    if (activity.message !== written) say(activity.message);
    say(`done: ${phase.title}`);
  }
  return times;
}

async function runLive(phases: readonly Phase[]): Promise<readonly PhaseTime[]> {
  const times: PhaseTime[] = [];
  const { Listr } = await import("listr2");
  const list = new Listr(
    phases.map((phase) => ({
      title: phase.title,
      task: async (_context: unknown, task: { title: string; output: string }) => {
        const watch = stopwatch();
        const activity = new Activity();
        const show = () => {
          task.title = `${phase.title} ${seconds(watch())}`;
          if (activity.message !== "") task.output = activity.text("");
        };
        const timer = setInterval(show, 250);
        try {
          await phase.run((message) => activity.say(message));
        } finally {
          clearInterval(timer);
          show();
        }
        times.push({ title: phase.title, seconds: watch() });
      },
    })),
    {
      concurrent: false,
      exitOnError: true,
      // The caller prints the error, once.
      rendererOptions: { collapseErrors: true, showErrorMessage: false, collapseSubtasks: true },
    },
  );
  await list.run();
  return times;
}

/** The current activity of a phase and its start. A change of only the count in brackets before it does not restart its time. */
class Activity {
  message = "";
  private since = stopwatch();

  say(message: string): void {
    const subject = (text: string) => text.replace(/^\[[^\]]*\] /, "");
    if (subject(message) !== subject(this.message)) this.since = stopwatch();
    this.message = message;
  }

  text(otherwise: string): string {
    const elapsed = Math.floor(this.since());
    return `${this.message || otherwise}${elapsed >= 2 ? ` (${elapsed} s)` : ""}`;
  }
}

/** Seconds since it was made. */
export function stopwatch(): () => number {
  const started = performance.now();
  return () => (performance.now() - started) / 1000;
}

/** `3.2 s`, `1 min 12 s`. */
export function seconds(value: number): string {
  if (value < 100) return `${value.toFixed(1)} s`;
  return `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
}
