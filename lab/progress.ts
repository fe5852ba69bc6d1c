/** Says what runs now. Long work reports through this; the command line renders it. Never given a secret. */
export type Progress = (message: string) => void;
