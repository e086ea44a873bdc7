/** What becomes of each attribute in the Basic Application Level Confidentiality Profile: PS3.15 2024e, table E.1-1, column "Basic Profile". */
import { attributeOf } from '../dictionary.ts';

/** The edition, for the file that says how it was made. */
export const EDITION = '2024e';

/** The table's codes: X remove, Z empty, D dummy, U another UID; several where what the object's definition asks for (type 3, 2 or 1) decides. */
type Code = 'X' | 'Z' | 'D' | 'U' | 'X/Z' | 'X/D' | 'Z/D' | 'X/Z/D' | 'X/Z/U*';

/**
 * A line with a code, then lines of a group and its elements. `d`: kept by Retain Longitudinal Temporal Information with Full Dates;
 * `p`: kept by Retain Patient Characteristics. Private groups and curves (50xx), which the table has as a whole, are in `actionOf`.
 */
const TABLE = `
X
0000: 1000
0008: 0015d 0024d 0025d 0034d 0035d 0054 0055 0081 0092 0094 0096 009d 0201d 1000 1030 103e 1040 1041 1048 1049 1050 1052 1060 1062 1080 1084 1088 1120 2111
0008: 4000
0010: 0021 0032 0050 0101 0102 1000 1001 1002 1005 1010p 1020p 1030p 1040 1050 1060 1080 1081 1090 1100 2000 2110 2150 2152 2154 2155 2160p 2180 21a0p 21b0
0010: 21c0p 21d0d 21f0 2297 2299 4000
0012: 0022 0023 0032 0041 0043 0051 0055 0071 0072 0073 0082 0086d 0087d
0014: 407cd 407ed
0016: 002b 004b 004d 004e 004f 0050 0051 0070 0071 0072 0073 0074 0075 0076 0077 0078 0079 007a 007b 007c 007d 007e 007f 0080 0081 0082 0083 0084 0085 0086
0016: 0087 0088 0089 008a 008b 008c 008dd 008e
0018: 0027d 0035d 1004 1005 1007 1008 1009 100a 1012d 1014d 1042d 1043d 1072d 1073d 1078d 1079d 1200d 1201d 1202d 1204d 1205d 4000 5011 9185 9373 937b 937f
0018: 9424 9937 a002d a003
0020: 0027 3401 3403d 3405d 3406 4000 9158
0028: 4000
0032: 0012 0032d 0033d 0034d 0035d 1000d 1001d 1010d 1011d 1020 1021 1030 1032 1033 1040d 1041d 1050d 1051d 1066 1067 1070 4000
0038: 0004 0010 0011 0014 001ad 001bd 001cd 001dd 001e 0020d 0021d 0030d 0032d 0040 0050 0060 0061 0062 0064 0300 0400 0500 4000
003a: 0329 032b
0040: 0001 0002d 0003d 0004d 0005d 0006 0007 0009 000b 0010 0011 0012 0241 0242 0243 0244d 0245d 0250d 0251d 0253 0254 0275 0280 0310 050a 051a 0600 0602 06fa
0040: 1001 1002 1004 1005 100a 1010 1011 1102 1103 1104 1400 2001 2004d 2005d 2008 2009 2010 2011 2400 3001 4005d 4008d 4010d 4011d 4025 4027 4028 4030 4034
0040: 4035 4036 4037 4050d 4051d 4052d a023d a024d a033d a078 a07a a07c a110d a112d a192d a193d a307 a352 a353 a354 a358 db06d db07d e004d
0044: 0004d 000bd 0010d 0105d
0050: 001b 0020 0021
006a: 0006
0070: 0082d 0083d 0086
0074: 1234 1236
0088: 0200 0904 0906 0910 0912
0100: 0420d
0400: 0310d 0402 0403 0404 0550 0551 0552 0561 0600
2030: 0020
2100: 0040d 0050d 0070
3002: 0121 0123
3006: 0004 0006 0028 002dd 002ed 0038 004d 004e 0085 0088
300a: 0003 0004 000b 000e 0016 0072 00c3 00dd 0196 01a6 01b2 0216 02eb 0676 078e 0792 0794 079a
300c: 0113
3010: 0036 0037 0061 0085d
4000: 0010 4000
4008: 0040 0042 0100d 0101d 0102 0108d 0109d 010a 010b 010c 0111 0112d 0113d 0114 0115 0118 0119 011a 0200 0202 0300 4000
fffa: fffa
fffc: fffc
Z
0008: 0020d 0030d 0050 0090 009c
0010: 0010 0030 0040p
0012: 0021 0030 0031 0050 0060
0018: 1203d
0020: 0010
0040: 0513 0562 0610 2016 2017 a082d a088
0400: 0564
3006: 0008d 0009d 0026 00a6
300a: 0611 0615 067d
300e: 0004d 0005d
3010: 000f 0017 001b 0043 005a 005c 007a 007b 007f 0081
D
0008: 0106d 0107d
0012: 0010 0020 0040 0042 0081
0018: 11bb 9074d 9151d 9367 9369d 936ad 9371 9623d 9701d 9804d
0034: 0001 0002 0005 0007d
003a: 0314d
0040: 0512 0551 1101 a027 a030d a073 a075 a120d a121d a122d a123 a13ad a730
0042: 0011
0044: 0104d
0068: 6226d 6270d
006a: 0003 0005
0070: 0001
0072: 000ad 005e 005fp 0061d 0063d 0065 0066 0068 006a 006bd 006c 006d 006e 0070 0071
0400: 0105d 0115 0562d 0563 0565
2100: 0140
3006: 0002
3008: 0024d 0025d 0162d 0164d 0166d 0168d
300a: 0002 022cd 022ed 0608 0619 0623 062a 067c 0734 0736d 073ad 0741d 0742 0760d 0783
300c: 0127d
3010: 002d 0033 0034 0035 0038 0054
U
0000: 1001
0002: 0003
0004: 1511
0008: 0014 0017 0018 0019 0058 1155 1195 3010
0018: 1002 100b 2042
0020: 000d 000e 0052 0200 9161 9164
0028: 1199 1214
003a: 0310
0040: 0554 4023 a124 a171 a172 a402 db0c db0d
0062: 0021
0064: 0003
0070: 031a 1101 1102
0088: 0140
0400: 0100
3006: 0024 00c2
300a: 0013 0083 0609 0650 0700 0785
3010: 0006 000b 0013 0015 0031 003b 006e 006f
X/Z
0008: 0022d 0032d 1110
0010: 2203p
0032: 1060
0040: 0555
2200: 0002 0005
3008: 0105
300a: 00b2
300e: 0008
X/D
0008: 0012d 0021d 0031d 1072
0018: 1030 1400 700a 700cd 700ed 9516d 9517d
0040: a032d
3008: 0054d 0056d 0250d 0251d
300a: 0006d 0007d
3010: 004cd 004dd 0056 0077
Z/D
0008: 0023d 0033d
0010: 0020
0018: 0010 9919d
0070: 0084
X/Z/D
0008: 0013d 002ad 0080 0082 1010 1070 1111
0018: 1000
X/Z/U*
0008: 1140 2112
`;

/** Of people and their orders, and not in the table: it passes over them, or another attribute has the same in other words. */
const BESIDE_THE_TABLE = `
X
0008: 0051
0010: 0022 0024 0026 0027 0033 0034 0035 1021p 1022p 2161p 2295 2298
0040: 0026 0027 0400 1006 1007 2006 2007
D
0040: a160
`;

interface Row {
  code: Code;
  dates: boolean;
  characteristics: boolean;
}

let rows: Map<number, Row> | undefined;

/** Read when first asked for. */
function table(): Map<number, Row> {
  if (rows) return rows;
  rows = new Map();
  let code: Code = 'X';
  for (const line of `${TABLE.trim()}\n${BESIDE_THE_TABLE.trim()}`.split('\n')) {
    const [group, elements] = line.split(': ');
    if (elements === undefined) code = line as Code;
    else for (const element of elements.split(' ')) rows.set(Number.parseInt(`${group}${element.slice(0, 4)}`, 16), { code, dates: element.endsWith('d') && element.length > 4, characteristics: element.endsWith('p') });
  }
  return rows;
}

export interface Retain {
  /** Dates and times as they are (113106, Retain Longitudinal Temporal Information Full Dates Option). */
  dates: boolean;
  /** Sex, age, size, weight and the like (113108, Retain Patient Characteristics Option); what the option would have cleaned goes all the same. */
  patient: boolean;
}

/** `uid`: another one; `foreign-uid`: another one unless it is the standard's own; `keep`: what is nested in it has actions of its own. */
export type Action = 'remove' | 'empty' | 'dummy' | 'uid' | 'foreign-uid' | 'keep';

/**
 * Which of several is taken: the one that every definition of an object allows, for which of them an object follows is not known here.
 * A dummy may stand in a type 1, 2 or 3 attribute, an empty value in type 2 or 3; sequences of references are kept, their UIDs replaced.
 */
const TAKEN: Record<Code, Action> = { X: 'remove', Z: 'empty', D: 'dummy', U: 'uid', 'X/Z': 'empty', 'X/D': 'dummy', 'Z/D': 'dummy', 'X/Z/D': 'dummy', 'X/Z/U*': 'keep' };

/** Of an attribute, and its VR; the VR is what PS3.6 says, whatever the file does. */
export function actionOf(id: number, retain: Retain): { action: Action; vr: string } {
  const group = Math.floor(id / 0x10000);
  const attribute = attributeOf(id);
  const curveOrOverlay = (group >= 0x5000 && group <= 0x501e) || (group >= 0x6000 && group <= 0x601e);
  // Without its data and comments, which the table removes, the rest of an overlay describes nothing. Groups below 0008 belong to messages, file meta information and directories.
  if (!attribute || group % 2 === 1 || group < 8 || id % 0x10000 === 0 || curveOrOverlay) return { action: 'remove', vr: '' };
  const { vr, keyword } = attribute;
  const row = table().get(id);
  if (row) return { action: (retain.dates && row.dates) || (retain.patient && row.characteristics) ? 'keep' : TAKEN[row.code], vr };
  // What the table passes over: names of people, addresses, and UIDs of anything but a class or an encoding.
  return { action: vr === 'PN' ? 'empty' : vr === 'UR' ? 'remove' : vr === 'UI' && !/Class|TransferSyntax/.test(keyword) ? 'foreign-uid' : 'keep', vr };
}
