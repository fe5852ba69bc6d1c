import { delimiter } from "node:path";

/** True for `node_modules/.bin`, which npm puts in front of the PATH of its scripts. */
export function isPackageFolder(folder: string): boolean {
  return /[\\/]node_modules[\\/]\.bin[\\/]?$/.test(folder);
}

/**
 * The same search path with the folders of packages last. An installed `pulumi` is then found before the project's package
 * `pulumi`, the official launcher, which downloads one.
 */
export function packageFoldersLast(searchPath: string): string {
  const folders = searchPath.split(delimiter);
  return [
    ...folders.filter((folder) => !isPackageFolder(folder)),
    ...folders.filter((folder) => isPackageFolder(folder)),
  ].join(delimiter);
}
