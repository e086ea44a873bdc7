export { createReview, ReviewError, type CompareRequest, type Review, type ReviewErrorCode, type ReviewOptions } from './review.ts';
export { probabilities } from './activation.ts';
export { type CompareHooks } from './compare.ts';
export { boxesOf, suppress, type ImageFrame, type InputBox } from './detections.ts';
export { compareBoxes, groupBoxes, iouOf } from './match-boxes.ts';
export { exportComparison, ExportedComparison, NOT_FOR_DIAGNOSIS } from './export.ts';
export { LIBRARY_BUDGETS, type LibraryBudgets, type Opened, type OpenedFile, type OpenHooks } from './library.ts';
export { loadPackage, loadPackages, readMetadata, type LoadedPackage, type PackageProblem, type Packages } from './packages.ts';
export { walkPaths, type FoundFile, type Walk } from './walk.ts';
