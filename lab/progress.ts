/** Reports what is being done at the moment; the command line prints it. Must never contain a secret. */
export type Progress = (message: string) => void;
