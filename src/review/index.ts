export { createReview, ReviewError, type CompareRequest, type Review, type ReviewErrorCode, type ReviewOptions } from './review.ts';
export { type CompareHooks } from './compare.ts';
export { exportComparison, ExportedComparison, NOT_FOR_DIAGNOSIS } from './export.ts';
export { LIBRARY_BUDGETS, type LibraryBudgets, type Opened, type OpenedFile, type OpenHooks } from './library.ts';
export { loadPackages, readMetadata, type LoadedPackage, type PackageProblem, type Packages } from './packages.ts';
