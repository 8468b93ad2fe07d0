export const WEEKDAYS = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'] as const;
export type Weekday = (typeof WEEKDAYS)[number];

/** Hours in which only what is urgent is told; `to` at or before `from` is on the next day. */
export interface QuietHours {
  /** `22:00`. */
  from: string;
  to: string;
  /** Days on which they begin. */
  days: readonly Weekday[];
  timeZone: string;
}

/** Every day, or every week on one day, at a time of the day. */
export interface Schedule {
  at: string;
  day?: Weekday | undefined;
  timeZone: string;
}
