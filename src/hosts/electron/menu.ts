/** The application menu. Its items are the page's actions by their ids (renderer/actions), which do the work and own the shortcuts. */
import type { MenuItemConstructorOptions } from 'electron';
import type { Locale } from '../../contract/ipc.ts';

type Labels = Record<Locale, string>;
const text = (en: string, zh: string): Labels => ({ en, 'zh-CN': zh });

interface Item {
  action: string;
  label: Labels;
  /** Shown only: the page takes the key itself, so that it works the same with the menu hidden. */
  shortcut?: string;
}
const MENU: ReadonlyArray<{ label: Labels; items: ReadonlyArray<Item | 'separator' | 'quit'> }> = [
  {
    label: text('File', '文件'),
    items: [
      { action: 'open.files', label: text('Open files…', '打开文件…'), shortcut: 'CommandOrControl+O' },
      { action: 'open.folder', label: text('Open folder…', '打开文件夹…'), shortcut: 'CommandOrControl+Shift+O' },
      { action: 'open.sample', label: text('Open the sample study', '打开示例检查') },
      'separator',
      { action: 'compare.export', label: text('Export the comparison…', '导出对比结果…'), shortcut: 'CommandOrControl+E' },
      { action: 'image.tags', label: text('DICOM elements…', 'DICOM 元素…'), shortcut: 'CommandOrControl+I' },
      { action: 'image.export', label: text('Export the picture…', '导出画面…'), shortcut: 'CommandOrControl+Shift+E' },
      { action: 'study.anonymise', label: text('Export without identity…', '去标识导出…'), shortcut: 'CommandOrControl+Shift+A' },
      { action: 'key.export', label: text('Export the list of key images…', '导出关键图像清单…') },
      { action: 'workspace.settings', label: text('Settings', '设置'), shortcut: 'CommandOrControl+,' },
      'separator',
      'quit',
    ],
  },
  {
    label: text('View', '视图'),
    items: [
      { action: 'view.fit', label: text('Fit to window', '适应窗口'), shortcut: 'F' },
      { action: 'view.actualSize', label: text('Actual pixels', '实际像素'), shortcut: '1' },
      { action: 'view.zoomIn', label: text('Zoom in', '放大'), shortcut: 'Plus' },
      { action: 'view.zoomOut', label: text('Zoom out', '缩小'), shortcut: '-' },
      { action: 'view.turn', label: text('Turn clockwise', '顺时针旋转'), shortcut: '.' },
      { action: 'view.mirror', label: text('Mirror', '镜像'), shortcut: 'X' },
      { action: 'view.invert', label: text('Invert', '反相'), shortcut: 'I' },
      { action: 'view.smooth', label: text('Smooth enlarged pixels', '放大时平滑'), shortcut: 'N' },
      { action: 'view.planes', label: text('Overlays of the file', '文件中的叠加层'), shortcut: 'V' },
      { action: 'cine.toggle', label: text('Play or stop', '播放或停止'), shortcut: 'Space' },
      { action: 'cine.faster', label: text('Play faster', '加快播放'), shortcut: '>' },
      { action: 'cine.slower', label: text('Play slower', '放慢播放'), shortcut: '<' },
      'separator',
      { action: 'view.reset', label: text('Reset the view', '重置视图'), shortcut: 'R' },
      'separator',
      { action: 'tool.magnifier', label: text('Magnifier', '放大镜'), shortcut: 'G' },
      { action: 'key.toggle', label: text('Key image', '关键图像'), shortcut: 'J' },
      { action: 'key.next', label: text('Next key image', '下一幅关键图像'), shortcut: 'Shift+J' },
      { action: 'key.previous', label: text('Previous key image', '上一幅关键图像'), shortcut: 'Shift+K' },
      { action: 'window.fullScreen', label: text('Full screen', '全屏'), shortcut: 'F11' },
      'separator',
      { action: 'heatMap.toggle', label: text('Heat map', '热力图'), shortcut: 'H' },
      { action: 'boxes.toggle', label: text('Boxes', '检测框'), shortcut: 'B' },
      { action: 'panel.toggle', label: text('Comparison panel', '对比面板'), shortcut: 'K' },
    ],
  },
  {
    label: text('Layout', '布局'),
    items: [
      { action: 'layout.1x1', label: text('1 × 1', '1 × 1 窗格'), shortcut: 'Alt+1' },
      { action: 'layout.1x2', label: text('1 × 2', '1 × 2 窗格'), shortcut: 'Alt+2' },
      { action: 'layout.1x3', label: text('1 × 3', '1 × 3 窗格'), shortcut: 'Alt+3' },
      { action: 'layout.2x1', label: text('2 × 1', '2 × 1 窗格'), shortcut: 'Alt+5' },
      { action: 'layout.2x2', label: text('2 × 2', '2 × 2 窗格'), shortcut: 'Alt+4' },
      { action: 'layout.2x3', label: text('2 × 3', '2 × 3 窗格'), shortcut: 'Alt+6' },
      { action: 'layout.3x1', label: text('3 × 1', '3 × 1 窗格'), shortcut: 'Alt+7' },
      { action: 'layout.3x2', label: text('3 × 2', '3 × 2 窗格'), shortcut: 'Alt+8' },
      { action: 'layout.3x3', label: text('3 × 3', '3 × 3 窗格'), shortcut: 'Alt+9' },
      'separator',
      { action: 'pane.left', label: text('To the pane on the left', '到左边的窗格'), shortcut: 'Alt+Left' },
      { action: 'pane.right', label: text('To the pane on the right', '到右边的窗格'), shortcut: 'Alt+Right' },
      { action: 'pane.up', label: text('To the pane above', '到上面的窗格'), shortcut: 'Alt+Up' },
      { action: 'pane.down', label: text('To the pane below', '到下面的窗格'), shortcut: 'Alt+Down' },
      { action: 'prior.show', label: text('Prior beside current', '与既往检查并排'), shortcut: 'Shift+P' },
      { action: 'together.scroll', label: text('Scroll together', '同步翻阅'), shortcut: 'Shift+S' },
      { action: 'together.move', label: text('Zoom and pan together', '同步缩放和平移'), shortcut: 'Shift+Z' },
      { action: 'together.window', label: text('Window together', '同步调窗'), shortcut: 'Shift+W' },
      { action: 'together.lines', label: text('Reference lines', '定位线'), shortcut: 'Shift+R' },
      'separator',
      { action: 'pane.maximise', label: text('This pane alone', '单独显示此窗格'), shortcut: 'D' },
    ],
  },
  {
    label: text('Measure', '测量'),
    items: [
      { action: 'tool.length', label: text('Length', '长度'), shortcut: 'L' },
      { action: 'tool.angle', label: text('Angle', '角度'), shortcut: 'A' },
      { action: 'tool.cobb', label: text('Cobb angle', 'Cobb 角度'), shortcut: 'O' },
      { action: 'tool.rectangle', label: text('Rectangle', '矩形'), shortcut: 'T' },
      { action: 'tool.ellipse', label: text('Ellipse', '椭圆'), shortcut: 'E' },
      { action: 'tool.probe', label: text('Value', '像素值'), shortcut: 'Q' },
      { action: 'tool.arrow', label: text('Arrow', '箭头'), shortcut: 'M' },
      'separator',
      { action: 'measure.undo', label: text('Undo', '撤销'), shortcut: 'CommandOrControl+Z' },
      { action: 'measure.redo', label: text('Redo', '重做'), shortcut: 'CommandOrControl+Shift+Z' },
      { action: 'measure.remove', label: text('Delete the selected', '删除所选'), shortcut: 'Delete' },
      { action: 'measure.clear', label: text('Delete all on this image', '删除此图像上的全部') },
      { action: 'measure.export', label: text('Export as CSV…', '导出为 CSV…') },
    ],
  },
  {
    label: text('Compare', '对比'),
    items: [
      { action: 'compare.run', label: text('Run the engines', '运行各引擎'), shortcut: 'CommandOrControl+Enter' },
      { action: 'compare.series', label: text('Run the engines on the series', '对整个序列运行各引擎'), shortcut: 'CommandOrControl+Shift+Enter' },
      { action: 'compare.cancel', label: text('Cancel', '取消'), shortcut: 'Escape' },
    ],
  },
  {
    label: text('Workspace', '工作区'),
    items: [
      { action: 'workspace.review', label: text('Review', '阅片'), shortcut: 'CommandOrControl+1' },
      { action: 'workspace.studies', label: text('Studies', '检查列表'), shortcut: 'CommandOrControl+4' },
      { action: 'workspace.results', label: text('Results', '结果'), shortcut: 'CommandOrControl+5' },
      { action: 'workspace.models', label: text('Models', '模型'), shortcut: 'CommandOrControl+2' },
      { action: 'workspace.boards', label: text('Boards', '开发板'), shortcut: 'CommandOrControl+3' },
    ],
  },
  { label: text('Help', '帮助'), items: [{ action: 'help.palette', label: text('Find a command…', '查找命令…'), shortcut: 'CommandOrControl+K' }, { action: 'help.shortcuts', label: text('Keyboard shortcuts', '键盘快捷键'), shortcut: 'F1' }] },
];

/** Ids of all actions that the menu names. */
export const MENU_ACTIONS: readonly string[] = MENU.flatMap((menu) => menu.items.flatMap((item) => (typeof item === 'string' ? [] : [item.action])));

export function menuTemplate(locale: Locale, perform: (action: string) => void): MenuItemConstructorOptions[] {
  return MENU.map(({ label, items }) => ({
    label: label[locale],
    submenu: items.map((item): MenuItemConstructorOptions => {
      if (item === 'separator') return { type: 'separator' };
      if (item === 'quit') return { role: 'quit', label: locale === 'zh-CN' ? '退出' : 'Quit' };
      return {
        id: item.action,
        label: item.label[locale],
        ...(item.shortcut === undefined ? {} : { accelerator: item.shortcut, registerAccelerator: false }),
        click: () => perform(item.action),
      };
    }),
  }));
}
