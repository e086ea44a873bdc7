/** The few functions of cornerstone-core 2.6.1 that we call; it ships no types of its own. */
declare module 'cornerstone-core' {
  export interface CornerstoneViewport {
    scale: number;
    translation: { x: number; y: number };
    rotation: number;
    hflip: boolean;
  }
  export interface EnabledElement {
    element: HTMLElement;
    canvas: HTMLCanvasElement;
    image: CornerstoneImage | undefined;
    viewport: CornerstoneViewport | undefined;
  }
  export interface CornerstoneImage {
    imageId: string;
    rows: number;
    columns: number;
    width: number;
    height: number;
    rowPixelSpacing: number;
    columnPixelSpacing: number;
    color: boolean;
    invert: boolean;
    windowCenter: number;
    windowWidth: number;
    minPixelValue: number;
    maxPixelValue: number;
    slope: number;
    intercept: number;
    sizeInBytes: number;
    getPixelData: () => ArrayLike<number>;
    render: (enabledElement: EnabledElement, invalidated: boolean) => void;
  }
  export function enable(element: HTMLElement): void;
  export function disable(element: HTMLElement): void;
  export function displayImage(element: HTMLElement, image: CornerstoneImage, viewport?: Partial<CornerstoneViewport>): void;
  export function setViewport(element: HTMLElement, viewport: Partial<CornerstoneViewport>): void;
  export function getEnabledElement(element: HTMLElement): EnabledElement;
  export function setToPixelCoordinateSystem(enabledElement: EnabledElement, context: CanvasRenderingContext2D): void;
}
