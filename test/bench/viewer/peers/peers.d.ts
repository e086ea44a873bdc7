/** Of the peers, what is called here: they are installed by the benchmark alone, so their own types are not there. */
declare module '@cornerstonejs/core' {
  export const Enums: { ViewportType: { STACK: string } };
  export function init(): Promise<boolean> | boolean;
  export function setUseCPURendering(on: boolean): void;
  export interface StackViewport {
    setStack(imageIds: string[], index: number): Promise<string>;
    setImageIdIndex(index: number): Promise<string>;
    setProperties(properties: { voiRange: { lower: number; upper: number } }): void;
    getProperties(): { voiRange?: { lower: number; upper: number } };
    render(): void;
  }
  export class RenderingEngine {
    constructor(id: string);
    enableElement(input: { viewportId: string; type: string; element: HTMLDivElement }): void;
    getViewport(id: string): unknown;
  }
}
declare module '@cornerstonejs/dicom-image-loader' {
  export function init(options: { maxWebWorkers: number }): void;
  export const wadouri: { fileManager: { add(file: File): string } };
}
declare module 'dwv' {
  export class ViewConfig {
    constructor(divId: string);
  }
  export class AppOptions {
    constructor(views: Record<string, ViewConfig[]>);
  }
  export class WindowLevel {
    constructor(center: number, width: number);
    center: number;
    width: number;
  }
  export class Index {
    constructor(values: number[]);
    get(dimension: number): number | undefined;
  }
  export interface ViewController {
    getWindowLevel(): WindowLevel;
    setWindowLevel(window: WindowLevel): void;
    getCurrentIndex(): Index;
    setCurrentIndex(index: Index): boolean;
  }
  export class App {
    init(options: AppOptions): void;
    loadFiles(files: File[]): string;
    getLayerGroupByDivId(id: string): { getActiveViewLayer(): { getViewController(): ViewController } | undefined } | undefined;
  }
}
